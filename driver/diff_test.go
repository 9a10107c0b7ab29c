// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"slices"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// TestMembersJoinTogether: what joins a group in one change does so in one message, after what it replaces has left.
func TestMembersJoinTogether(t *testing.T) {
	member := func(group, bucket, port uint32) flows.Member {
		return flows.Member{Group: group, Bucket: flows.Bucket{ID: bucket, Actions: []flows.Action{flows.Output{Port: port}}}}
	}
	old := flows.Compiled{Members: []flows.Member{member(1, 1, 1), member(1, 2, 2), member(1, 3, 3)}}
	now := flows.Compiled{Members: []flows.Member{member(1, 2, 20), member(2, 4, 4), member(1, 5, 5), member(1, 3, 3), member(2, 5, 5)}}
	var got []string
	for _, m := range diffGroups(old, now) {
		got = append(got, m.String())
	}
	want := []string{
		"remove-buckets group_id=1,command_bucket_id=2",
		"insert-buckets group_id=1,type=all,bucket=bucket_id:2,actions=output:20,bucket=bucket_id:5,actions=output:5",
		"insert-buckets group_id=2,type=all,bucket=bucket_id:4,actions=output:4,bucket=bucket_id:5,actions=output:5",
		"remove-buckets group_id=1,command_bucket_id=1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	now = flows.Compiled{}
	for i := range uint32(2*mostBuckets + 1) {
		now.Members = append(now.Members, member(1, i+1, i+1))
	}
	var sizes []int
	for _, m := range diffGroups(flows.Compiled{}, now) {
		sizes = append(sizes, len(m.Group.Buckets))
	}
	if want := []int{mostBuckets, mostBuckets, 1}; !slices.Equal(sizes, want) {
		t.Errorf("%d members join by %d, want %d", len(now.Members), sizes, want)
	}
}
