package service

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/notify"
	"github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// deployment is the policies, the account and the clients that the environment configures.
type deployment struct {
	policies policies
	account  account.Account
	keyring  *account.Keyring
	state    state.Location
	origin   report.Origin
	library  *mps.Client
	objects  *objects.Client
	digests  *digests
	// broken is the reason why no run can be carried out. The other fields may then be empty.
	broken error
	// noStore is the reason why no record can be read, which needs neither a policy nor more of the
	// environment than the state store does. It is part of broken.
	noStore error
}

func newDeployment(o Options) *deployment {
	if o.Libraries == nil {
		o.Libraries = new(mps.Clients)
	}
	a, noAccount := account.FromEnvironment(o.Getenv)
	a.Dial = o.Dial
	location, noState := state.ParseLocation(o.Getenv("MEDIASWEEP_STATE"), o.Getenv)
	switch {
	case noState != nil:
		noState = fmt.Errorf("MEDIASWEEP_STATE: %w", noState)
	case location.InOSS():
		noState, noAccount = noAccount, nil
	}
	notifier, noDigests := notify.New(o.Getenv, a.Dialer())
	d := &deployment{
		policies: policies{latest: o.Policy}, account: a, keyring: account.NewKeyringWith(o.Getenv, o.Credentials), state: location, objects: objects.New(a),
		origin:  report.Origin{Account: text.Name(o.Getenv("FC_ACCOUNT_ID")), Function: o.Getenv("FC_FUNCTION_NAME"), Region: a.Region},
		digests: &digests{Notifier: notifier}, noStore: errors.Join(account.CheckEnvironment(o.Getenv), noState),
	}
	if location != (state.Location{}) {
		d.origin.State = location.String()
	}
	var noPolicy error
	if o.Policy == nil {
		noPolicy = d.policies.configure(o.Getenv)
	}
	switch d.broken = errors.Join(d.noStore, o.Broken, noDigests, noPolicy, noAccount); {
	case d.broken != nil:
	case location.Covers(d.policies.object):
		d.broken = errors.New("MEDIASWEEP_POLICY lies below MEDIASWEEP_STATE, where only this program's records may be: move the policy")
	default:
		d.library, d.broken = o.Libraries.Of(a, policy.DefaultShare) // Policy changes the share
	}
	return d
}

// Origin returns the deployment's origin. It may be empty if the service is broken.
func (d *deployment) Origin() report.Origin { return d.origin }

// checkPlace refuses a policy whose inventory or manifests overlap with the state prefix: records would be read as media or
// lists, or the reverse.
func (d *deployment) checkPlace(p *policy.Policy) error {
	if !d.state.InOSS() {
		return nil
	}
	own, name := d.state.Prefix, cmp.Or(d.policies.path, "the policy")
	if object := d.policies.object; !object.IsZero() {
		name = object.String()
	}
	for _, prefix := range p.Inventory.Prefixes {
		if prefix.Covers(own) {
			return fmt.Errorf("%s: MEDIASWEEP_STATE lies below the inventory's %s: state would be taken for media", name, prefix)
		}
		if own.Covers(prefix) {
			return fmt.Errorf("%s: the inventory's %s lies below MEDIASWEEP_STATE: media would be taken for state", name, prefix)
		}
	}
	for _, manifest := range p.Inventory.Manifests {
		if own.Covers(manifest) {
			return fmt.Errorf("%s: the inventory's %s lies below MEDIASWEEP_STATE: state would be taken for a list of media", name, manifest)
		}
	}
	for _, glob := range p.Manifests {
		if glob.Meets(own) {
			return fmt.Errorf("%s: MEDIASWEEP_STATE and the policy's manifests %s have objects in common: state would be taken for lists of media", name, glob)
		}
	}
	return nil
}

func (d *deployment) credentialsOf(call Call) *account.Provider {
	return d.keyring.Or(call.Credentials)
}
