package handler_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// certify returns a certificate for names, and its PEM.
func certify(t *testing.T, names ...string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}

// Without endpoints in the environment, the program goes to those of the region: by HTTPS, with the bucket in the host, and
// in Function Compute to the internal ones of OSS. It trusts no certificate of another host.
func TestEndpointsOfTheRegion(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("the system's certificates are in no file")
	}
	right, rightPEM := certify(t, "mts.cn-shanghai.aliyuncs.com", "*.oss-cn-shanghai.aliyuncs.com", "*.oss-cn-shanghai-internal.aliyuncs.com")
	wrong, wrongPEM := certify(t, "mts.cn-beijing.aliyuncs.com", "*.oss-cn-beijing.aliyuncs.com")
	trusted := filepath.Join(t.TempDir(), "trusted.pem")
	if err := os.WriteFile(trusted, append(rightPEM, wrongPEM...), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", trusted) // read once in a process, and no other test needs it
	for name, test := range map[string]struct {
		certificate tls.Certificate
		env         []string
		status      report.Status
		hosts       string
	}{
		"a machine": {right, nil, report.Done,
			"[media-in.oss-cn-shanghai.aliyuncs.com:443 mts.cn-shanghai.aliyuncs.com:443 ops.oss-cn-shanghai.aliyuncs.com:443]"},
		"the function": {right, []string{"FC_FUNCTION_NAME", "f", "FC_REGION", "cn-shanghai", "MEDIASWEEP_REGION", ""}, report.Done,
			"[media-in.oss-cn-shanghai-internal.aliyuncs.com:443 mts.cn-shanghai.aliyuncs.com:443 ops.oss-cn-shanghai-internal.aliyuncs.com:443]"},
		"another host": {wrong, nil, report.Failed, "[ops.oss-cn-shanghai.aliyuncs.com:443]"},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			env := append([]string{"MEDIASWEEP_MPS_ENDPOINT", "", "MEDIASWEEP_OSS_ENDPOINT", "", "MEDIASWEEP_STATE", "oss://ops/state/"}, test.env...)
			secure := tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{test.certificate}, MinVersion: tls.VersionTLS12})
			w := newWorld(t, emulator.Config{Media: 60, Seed: 3, Listener: secure}, enforcing, env...)
			var mu sync.Mutex
			hosts := map[string]bool{}
			w.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				mu.Lock()
				defer mu.Unlock()
				hosts[address] = true
				return (&net.Dialer{}).DialContext(ctx, network, listener.Addr().String())
			}
			w.setPolicy(enforcing)
			already, want := w.deleted(), due(w.e.Media(), time.Now())
			w.mustInvoke(everything, test.status)
			if test.status == report.Failed {
				want = nil
			}
			got := slices.DeleteFunc(w.deleted(), func(id string) bool { return slices.Contains(already, id) })
			if !slices.Equal(got, want) {
				t.Errorf("deleted %d media, %d are due", len(got), len(want))
			}
			if got := fmt.Sprint(slices.Sorted(maps.Keys(hosts))); got != test.hosts {
				t.Errorf("hosts %s, want %s", got, test.hosts)
			}
			w.noViolations()
		})
	}
}
