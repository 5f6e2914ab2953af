package runlog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// logFolder holds a copy of each report, in a folder for each trigger and status. A name has the
// inverted time of the run's end, so that the first name is the latest run; then the run, a number,
// the deleted and the lost media, and a hash and the same counts for each rule that has any. Lists and totals need no
// other record to find a run.
const logFolder = "log/"

func logFolderOf(kind trigger.Kind, status report.Status) string {
	return fmt.Sprintf("%s%s/%s/", logFolder, kind, status)
}

// logged is the name of a record in the log, or of a report that was saved before the log began: then it has no counts.
type logged struct {
	name   string
	key    string // sorts newest first, and differs for each record
	at     time.Time
	run    string
	total  report.StatsTotal
	rules  map[string]report.StatsTotal // by the hash of the rule
	partly bool                         // the name has no room for the rules
}

func (l logged) recordName() string { return l.name }

const (
	// maxLogName keeps a name within the 255 bytes of a file system.
	maxLogName = 240
	// maxDeleted bounds the media in a name.
	maxDeleted = 1 << 31
	// morePart ends a name without its rules.
	morePart = ".more"
)

func logKey(at time.Time, run string, number int) string {
	return fmt.Sprintf("%s-%s.%d", state.Inverted(at), state.SafeName(run), number)
}

// hashRule returns the short hash by which names in the log name a rule.
func hashRule(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:4])
}

func logName(r *report.Report, number int) string {
	rules, lost := "", 0
	for _, rule := range r.Rules {
		if lost += rule.Lost; rule.Deleted+rule.Lost > 0 {
			rules += fmt.Sprintf(".%sx%s", hashRule(rule.Name), countsPart(rule.Deleted, rule.Lost))
		}
	}
	name := fmt.Sprintf("%s.%s", logKey(r.FinishedAt, r.Run, number), countsPart(r.Counts.Deleted, lost))
	if len(name)+len(rules) > maxLogName {
		rules = morePart
	}
	return logFolderOf(r.Trigger, r.Status) + name + rules
}

// countsPart writes counts in a name: 3, or 3l2 with two lost media.
func countsPart(deleted, lost int) string {
	if lost == 0 {
		return strconv.Itoa(deleted)
	}
	return fmt.Sprintf("%dl%d", deleted, lost)
}

func parseCounts(part string) (report.StatsTotal, error) {
	written, lostPart, _ := strings.Cut(part, "l")
	deleted, err := text.Decimal(written)
	lost := int64(0)
	if err == nil && written != part {
		lost, err = text.Decimal(lostPart)
	}
	if err == nil && max(deleted, lost) > maxDeleted {
		err = errors.New("too many")
	}
	return report.StatsTotal{Runs: 1, Deleted: int(deleted), Lost: int(lost)}, err
}

func parseLogName(name string) (logged, error) {
	base := name[strings.LastIndexByte(name, '/')+1:]
	parts := strings.Split(base, ".")
	stamp, run, _ := strings.Cut(parts[0], "-")
	l := logged{name: name, run: run, rules: map[string]report.StatsTotal{}}
	var err error
	if l.at, err = state.ParseInverted(stamp); err != nil || run == "" || len(parts) < 3 || len(base) > maxLogName+len(morePart) {
		return l, fmt.Errorf("%s is no name of the log", text.Quote(base))
	}
	l.key = parts[0] + "." + parts[1]
	l.total, err = parseCounts(parts[2])
	var most report.StatsTotal
	for _, part := range parts[3:] {
		if l.partly = "."+part == morePart; l.partly {
			break
		}
		rule, counts, _ := strings.Cut(part, "x")
		total, countErr := parseCounts(counts)
		err = errors.Join(err, countErr)
		l.rules[rule] = l.rules[rule].And(total)
		most.Deleted, most.Lost = max(most.Deleted, total.Deleted), max(most.Lost, total.Lost)
	}
	if err != nil || most.Deleted > l.total.Deleted || most.Lost > l.total.Lost {
		return l, fmt.Errorf("%s is no name of the log: its counts are wrong", text.Quote(base))
	}
	return l, nil
}

// read reads the report of a record. A report of the log that is not of its name is damaged.
func (l logged) read(data []byte) (*report.Report, error) {
	r, err := decodeReport(l.name, data)
	isLogged := strings.HasPrefix(l.name, logFolder)
	if err == nil && isLogged && (l.run != state.SafeName(r.Run) || !strings.HasPrefix(l.name, logFolderOf(r.Trigger, r.Status))) {
		err = fmt.Errorf("record %s: %w: it is a report of another run", l.name, state.ErrDamaged)
	}
	return r, err
}
