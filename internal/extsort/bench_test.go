package extsort

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// BenchmarkSorter sorts two million names, in the order of a report's rows and in none.
func BenchmarkSorter(b *testing.B) {
	const records = 2_000_000
	for name, step := range map[string]int{"sorted": 1, "unsorted": 7919} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var s Sorter
				rest := binary.AppendVarint(nil, 1_700_000_000)
				for i := range records {
					at := i * step % records
					if err := s.Add(fmt.Sprintf("media-in/clips/%04d/clip-%07d.mp4", at/1000, at), rest); err != nil {
						b.Fatal(err)
					}
				}
				n := 0
				for _, err := range s.All() {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				b.ReportMetric(float64(s.end)/records, "bytes/record")
				s.Close()
				if n != records {
					b.Fatal(n)
				}
			}
			b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
