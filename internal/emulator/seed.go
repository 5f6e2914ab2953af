package emulator

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Buckets that every emulator has.
const (
	InputBucket  = "media-in"  // sources of media
	OutputBucket = "media-out" // what the workflow made of them
	OpsBucket    = "ops"       // for manifests and state; empty
)

// The workflow of the seeded library, which AddMedia also knows.
const (
	WorkflowID   = "43b7335a4b1d4fe883670036affb0000"
	WorkflowName = "transcode"
)

// awkwardNames are file names that break careless escaping.
func awkwardNames() []string {
	return []string{
		"Q&A with the team.mp4",
		"intro+outro.mp4",
		"100% done.mp4",
		"red, white, blue.mp4",
		"a%2Fb.mp4",
		"发布会 2026.mp4",
		"Überblick – Teil 1.mp4",
		"what?#[1]@home!$'(*);=.mp4",
		"back\\slash \"quoted\" <tag>.mp4",
		"a//b/../c.mp4",
		strings.Repeat("长", 330) + ".mp4", // near the limits: 1023 bytes of key, 3200 of URL
	}
}

// seed fills the library with n media made up from random numbers. Of each 100:
//
//	2 deleted
//	7 expired under the retention.yaml of this repository: 4 older than 180 days, 3 old drafts
//	3 held by the tag legal-hold, one of them older than 180 days
//	2 drafts too young to expire
//	86 others too young
//
// Of the plain ones, two have no creation time and one has one in the future.
// The input bucket also has an object without a medium for each 50 media.
func (e *Emulator) seed(n int, random *rand.Rand) {
	for _, name := range []string{InputBucket, OutputBucket, OpsBucket} {
		e.PutBucket(name, "")
	}
	const day = 24 * time.Hour
	today := e.today().Truncate(time.Second)
	between := func(from, to time.Duration) time.Duration {
		return (from + time.Duration(random.Int64N(int64(to-from)))).Truncate(time.Second)
	}
	names := awkwardNames()
	plain := 0
	for i := range n {
		// 37 and 100 have no common factor, so that the kinds are spread evenly
		// over a library of any size.
		kind := i * 37 % 100
		m := Medium{PublishState: "Published", Tags: []string{}}
		age := between(day, 178*day)
		switch {
		case kind < 4:
			age = between(182*day, 400*day)
		case kind < 9:
			m.Key = fmt.Sprintf("drafts/editor-%d/take-%04d.mov", random.IntN(9), i)
			m.PublishState = []string{"UnPublish", "Initiated"}[i%2]
			age = between(time.Hour, 6*day)
			if kind < 7 {
				age = between(8*day, 170*day)
			}
		case kind < 12:
			m.Tags = []string{"legal-hold"}
			if kind == 9 {
				age = between(182*day, 400*day)
			}
		case kind < 14:
			m.Deleted = true
			age = between(20*day, 400*day)
			m.DeletedAt = e.now().Add(-between(day, 19*day))
		default:
			plain++
		}
		switch {
		case m.Key != "":
		case i%41 == 7: // no factor of 100 either: of every kind
			m.Key = fmt.Sprintf("clips/%02d/%s", i/41/len(names), names[i/41%len(names)])
		case i%2 == 0:
			m.Key = fmt.Sprintf("series/show-%02d/s%02de%02d-%04d.mp4", random.IntN(20), 1+random.IntN(4), 1+random.IntN(12), i)
		default:
			m.Key = fmt.Sprintf("clips/%s/clip-%04d.mp4", today.Add(-age).Format("2006/01"), i)
		}
		created := today.Add(-age)
		m.CreationTime = created.Format(timeFormat)
		if kind >= 14 {
			switch plain {
			case 20, 60:
				m.CreationTime = ""
			case 40:
				m.CreationTime = today.Add(30 * day).Format(timeFormat)
			}
		}
		m.ID = fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64())
		m.describe(random)
		m.process(random, created)
		e.library.put(m)
		e.store.putHollow(m.Bucket, m.Key, m.Size, created)
		for _, out := range m.Outputs {
			e.store.putHollow(out.Bucket, out.Key, "1000000", created)
		}
	}
	for i := range n / 50 {
		key := fmt.Sprintf("clips/unprocessed/upload-%04d.mp4", i)
		e.store.putHollow(InputBucket, key, "1000000", today.Add(-between(0, 400*day)))
	}
}

// describe makes up what a medium looks like.
func (m *Medium) describe(random *rand.Rand) {
	seconds := 20 + random.IntN(3000)
	kbits := []int{1200, 2600, 5200}[random.IntN(3)]
	m.Bucket = InputBucket
	m.Title = m.Key[strings.LastIndexByte(m.Key, '/')+1:]
	if len(m.Title) > maxTitleBytes {
		m.Title = "a very long name"
	}
	m.CateID = int64(random.IntN(5))
	if random.IntN(4) == 0 {
		m.Tags = append(m.Tags, []string{"news", "sports", "training"}[random.IntN(3)])
	}
	m.Format = "mov,mp4,m4a,3gp,3g2,mj2"
	m.Duration = fmt.Sprintf("%d.000000", seconds)
	m.Bitrate = fmt.Sprintf("%d.000", kbits)
	m.Size = strconv.Itoa(seconds * kbits * 1000 / 8)
	m.Fps, m.Width, m.Height = "25.0", "1920", "1080"
}

// process makes up the run of the workflow and its outputs; a medium that is
// Initiated has not been processed.
func (m *Medium) process(random *rand.Rand, created time.Time) {
	if m.PublishState == "Initiated" {
		return
	}
	m.Runs = []Run{{
		ID:         fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64()),
		WorkflowID: WorkflowID, WorkflowName: WorkflowName,
		Time: created.Add(time.Minute), State: "Success",
	}}
	m.Outputs = []Output{
		{Kind: Play, Bucket: OutputBucket, Key: m.ID + "/1080p.mp4"},
		{Kind: Play, Bucket: OutputBucket, Key: m.ID + "/720p.mp4"},
		{Kind: Snapshot, Bucket: OutputBucket, Key: m.ID + "/cover.jpg", Type: "Single"},
	}
	if random.IntN(5) == 0 {
		m.Outputs = append(m.Outputs, Output{Kind: Summary, Bucket: OutputBucket, Key: m.ID + "/summary.gif", Type: "Gif"})
	}
}
