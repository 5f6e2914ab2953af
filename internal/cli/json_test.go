package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// What a command prints as JSON is one value, whatever there is to say.
func TestJSONIsOneValue(t *testing.T) {
	t.Parallel()
	e, err := emulator.Start(emulator.Config{Media: 40, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	o := &office{t: t, env: e.Env()}
	o.env["MEDIASWEEP_STATE"] = "file://" + t.TempDir()
	o.env["MEDIASWEEP_POLICY"] = t.TempDir() + "/retention.yaml"
	const rules = "version: 1\nmode: enforce\ninventory: [{bucket: oss://media-in/}]\nguard: {maxPercent: 100}\nexpire: [{name: old, after: 30d}]\n"
	if err := os.WriteFile(o.env["MEDIASWEEP_POLICY"], []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	values := map[string]map[string]any{}
	one := func(args string, codes ...int) string {
		t.Helper()
		said := o.run("", args+" -o json", codes...)
		var value any
		if err := json.Unmarshal([]byte(said), &value); err != nil {
			t.Errorf("%s: %v: %s", args, err, said)
		}
		values[args], _ = value.(map[string]any)
		return said
	}
	medium := e.Media()[0]
	object := "oss://" + medium.Bucket + "/" + medium.Key
	one("runs")
	one("plans")
	one("plan")
	one("plans")
	one("plans latest")
	if got := values["plans latest"]; got["id"] != values["plan"]["plan"] || !strings.Contains(fmt.Sprint(values["plan"]["counts"]), fmt.Sprintf("expired:%d ", len(got["entries"].([]any)))) {
		t.Errorf("the latest plan is %v, and the run made %v", got["id"], values["plan"])
	}
	one("plan 00000000000000000000000000000abc")
	nothing, _ := values["plan 00000000000000000000000000000abc"]["plan"].(string)
	if one("plans " + nothing); values["plans "+nothing]["id"] != nothing {
		t.Errorf("a plan without media: %v", values["plans "+nothing])
	}
	one("explain " + medium.ID)
	one("explain " + object)
	one("forecast")
	one("diff " + o.env["MEDIASWEEP_POLICY"] + " " + o.env["MEDIASWEEP_POLICY"])
	one("check")
	one("permissions")
	one("hold " + object + " --reason trial")
	one("holds")
	one("release 1")
	one("apply latest")
	run, _ := values["apply latest"]["run"].(string)
	one("runs " + run)
	one("runs " + run[:8])
	one("restore --dry-run " + run)
	one("restore --yes " + run)
	one("history " + medium.ID)
	one("history " + object)
	one("stats")
	one("explain " + medium.ID)
	e.Inject(emulator.Fault{Operation: "QueryMediaList", Kind: emulator.Omit})
	if got := one("explain "+medium.ID, 3); got != "[]\n" {
		t.Errorf("an explanation without an answer of MPS: %s", got)
	}
}
