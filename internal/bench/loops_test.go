package bench

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/mts"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// bareClient is the official SDK's client as its documentation makes one.
func bareClient() *mts.Client {
	config := sdk.NewConfig().WithScheme("HTTP").WithAutoRetry(false).WithTimeout(10 * time.Second)
	config.Transport = transport()
	client, err := mts.NewClientWithOptions(emulator.DefaultRegion, config, credentials.NewStsTokenCredential(
		os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"), os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"), os.Getenv("ALIBABA_CLOUD_SECURITY_TOKEN")))
	check(err)
	client.Domain = strings.TrimPrefix(os.Getenv("MEDIASWEEP_MPS_ENDPOINT"), "http://")
	return client
}

// transport keeps its connections, as the program's does: what is compared is the
// work of a call, not that of a connection.
var transport = sync.OnceValue(func() *http.Transport { return &http.Transport{MaxIdleConnsPerHost: 64} })

// batches returns the IDs and the file URLs of the library, ten by ten.
func batches() (ids, urls [][]string) {
	response, err := http.Get(os.Getenv("MEDIASWEEP_MPS_ENDPOINT") + "/_emulator/library")
	check(err)
	defer response.Body.Close()
	var media []emulator.Medium
	check(json.NewDecoder(response.Body).Decode(&media))
	var allIDs, allURLs []string
	for _, m := range media {
		allIDs = append(allIDs, m.ID)
		allURLs = append(allURLs, "http://"+m.Bucket+".oss-"+emulator.DefaultRegion+".aliyuncs.com/"+m.Key)
	}
	return slices.Collect(slices.Chunk(allIDs, 10)), slices.Collect(slices.Chunk(allURLs, 10))
}

func deleteBatch(client *mts.Client, ids []string) error {
	request := mts.CreateDeleteMediaRequest()
	request.MediaIds = strings.Join(ids, ",")
	_, err := client.DeleteMedia(request)
	return err
}

// sequential makes one call after the other.
func sequential() {
	client := bareClient()
	ids, _ := batches()
	for _, batch := range ids {
		check(deleteBatch(client, batch))
	}
}

// eight makes eight calls at a time, and those that fail again at once.
func eight() {
	work := make(chan []string)
	var workers sync.WaitGroup
	for range 8 {
		client := bareClient()
		workers.Go(func() {
			for batch := range work {
				for deleteBatch(client, batch) != nil {
				}
			}
		})
	}
	ids, _ := batches()
	for _, batch := range ids {
		work <- batch
	}
	close(work)
	workers.Wait()
}

// needed makes the calls that a run makes, at the same even pace, and nothing
// else: no decision, no plan, no account of what became of a medium.
func needed() {
	ids, urls := batches()
	each := func(list [][]string, call func(*mts.Client, string) error) {
		work := make(chan []string)
		var workers sync.WaitGroup
		for range 8 {
			client := bareClient()
			workers.Go(func() {
				for batch := range work {
					check(call(client, strings.Join(batch, ",")))
				}
			})
		}
		pace := time.NewTicker(time.Second / 95)
		defer pace.Stop()
		for _, batch := range list {
			<-pace.C
			work <- batch
		}
		close(work)
		workers.Wait()
	}
	each(urls, func(client *mts.Client, list string) error {
		request := mts.CreateQueryMediaListByURLRequest()
		request.FileURLs = list
		request.IncludePlayList, request.IncludeSnapshotList, request.IncludeSummaryList = requests.NewBoolean(true), requests.NewBoolean(true), requests.NewBoolean(true)
		_, err := client.QueryMediaListByURL(request)
		return err
	})
	each(ids, func(client *mts.Client, list string) error { return deleteBatch(client, strings.Split(list, ",")) })
	each(ids, func(client *mts.Client, list string) error {
		request := mts.CreateQueryMediaListRequest()
		request.MediaIds = list
		_, err := client.QueryMediaList(request)
		return err
	})
}
