package objects

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mediasweep/mediasweep/internal/fuzztest"
)

// listingOf writes a page of n objects as OSS does.
func listingOf(n int) []byte {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>\n  <Name>media-in</Name>\n  <Prefix></Prefix>\n  <MaxKeys>1000</MaxKeys>\n  <EncodingType>url</EncodingType>\n" +
		"  <IsTruncated>true</IsTruncated>\n  <NextContinuationToken>CgJiYw--</NextContinuationToken>\n")
	for i := range n {
		fmt.Fprintf(&b, "  <Contents>\n    <Key>clips%%2F%%E8%%A7%%86%%20%d.mp4</Key>\n    <LastModified>2024-05-18T05:45:43.000Z</LastModified>\n    <ETag>\"5B3C1A2E053D763E1B002CC607C5A0FE\"</ETag>\n"+
			"    <Type>Normal</Type>\n    <Size>344606</Size>\n    <StorageClass>Standard</StorageClass>\n    <Owner><ID>1000</ID><DisplayName>1000</DisplayName></Owner>\n  </Contents>\n", i)
	}
	b.WriteString("  <KeyCount>1000</KeyCount>\n</ListBucketResult>\n")
	return []byte(b.String())
}

// A scanned page equals the decoded one. A page that is not simple is decoded.
func TestPages(t *testing.T) {
	whole := string(listingOf(2))
	tests := []struct {
		name, text string
		scanned    bool
	}{
		{"as OSS writes it", whole, true},
		{"without spaces or declaration", strings.NewReplacer("\n", "", "  ", "", `<?xml version="1.0" encoding="UTF-8"?>`, "").Replace(whole), true},
		{"nothing in it", "<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>", true},
		{"quoted marks", strings.Replace(whole, "5B3C", "&quot;&amp;lt;", 1), true},
		{"a mark by its number where nobody looks", strings.Replace(whole, "\"5B3C", "&#34;5B3C", 1), true},
		{"a named mark", strings.Replace(whole, "clips%2F", "clips&amp;lt;", 1), false},
		{"a mark by its number", strings.Replace(whole, "clips%2F", "clips&#47;", 1), false},
		{"a name space", strings.Replace(whole, "<ListBucketResult>", `<ListBucketResult xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com">`, 1), false},
		{"a comment", strings.Replace(whole, "<Name>", "<!-- - --><Name>", 1), false},
		{"an empty element", strings.Replace(whole, "<Prefix></Prefix>", "<Prefix/>", 1), false},
		{"marked text", strings.Replace(whole, "<Type>Normal", "<Type><![CDATA[Normal]]>", 1), false},
		{"another word for true", strings.Replace(whole, ">true<", ">1<", 1), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			decoded, err := decodePage([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			scanned, ok := scanPage([]byte(test.text))
			if ok != test.scanned {
				t.Errorf("scanned: %v", ok)
			}
			if diff := cmp.Diff(decoded, scanned, cmp.AllowUnexported(page{})); ok && diff != "" {
				t.Errorf("-decoded +scanned\n%s", diff)
			}
		})
	}
	for _, broken := range []string{"", "{}", "<html></html>", "<ListBucketResult>", "<ListBucketResult><Contents><Key>a</Key>", whole[:len(whole)/2], "<Error><Code>x</Code></Error>"} {
		if _, ok := scanPage([]byte(broken)); ok {
			t.Errorf("%q is scanned", broken)
		}
		if p, err := decodePage([]byte(broken)); err == nil {
			t.Errorf("%q is decoded: %+v", broken, p)
		}
	}
	if _, ok := scanPage([]byte("<ListBucketResult>" + strings.Repeat("<a>", 5<<20))); ok {
		t.Error("five million nested elements are scanned")
	}
}

func FuzzPages(f *testing.F) {
	f.Add(listingOf(2))
	f.Add([]byte("<ListBucketResult><Contents><Key>&amp;amp;</Key></Contents></ListBucketResult>"))
	f.Add([]byte("<ListBucketResult><A><B>x</B>y</A></ListBucketResult>"))
	f.Add([]byte("<ListBucketResult><Contents><Key>a\r\nb</Key></Contents></ListBucketResult>"))
	f.Add([]byte("<ListBucketResult><Contents><Key>a<B></B> </Key></Contents></ListBucketResult>"))
	f.Add([]byte("<ListBucketResult><NextContinuationToken> <B></B></NextContinuationToken></ListBucketResult>"))
	fuzztest.Fuzz(f, func(t *testing.T, data []byte) {
		scanned, ok := scanPage(data)
		if !ok {
			return
		}
		// What XML does not allow at all is scanned by accident, and harms nobody: the
		// names are checked by whoever asks for them.
		if decoded, err := decodePage(data); err == nil && !reflect.DeepEqual(decoded, scanned) {
			t.Errorf("scanned %+v, decoded %+v", scanned, decoded)
		}
	})
}

// BenchmarkPages holds the scan against encoding/xml, which the SDK uses.
func BenchmarkPages(b *testing.B) {
	body := listingOf(1000)
	began := time.Now()
	for range 20 {
		if _, err := decodePage(body); err != nil {
			b.Fatal(err)
		}
	}
	decoding := time.Since(began) / 20
	for b.Loop() {
		if _, ok := scanPage(body); !ok {
			b.Fatal("not scanned")
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(decoding), "scan/xml")
}
