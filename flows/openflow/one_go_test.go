// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// TestInOneGoPasses: a bundle that goes in one go does not wait for the answer to another, and each gets its own.
func TestInOneGoPasses(t *testing.T) {
	t.Parallel()
	c, p := connected(t)
	var answers []chan error
	var ids, commits []string
	for port := range uint32(2) {
		answer := make(chan error, 1)
		answers = append(answers, answer)
		go func() {
			answer <- c.Apply(testContext(t), Update{InOneGo: true, Flows: []flows.Flow{portFlow(1+port, 0)}})
		}()
		for range 3 { // open, add, close
			p.readMessage()
		}
		head, body := p.readMessage()
		if get16(body[4:]) != bundleCommit {
			t.Fatalf("no commit: %x", body)
		}
		ids, commits = append(ids, hex.EncodeToString(body[:4])), append(commits, hex.EncodeToString(head[4:]))
	}
	if ids[0] == ids[1] {
		t.Errorf("both bundles have the id %s", ids[0])
	}
	p.send("06210010" + commits[1] + ids[1] + "00050003")
	if err := <-answers[1]; err != nil {
		t.Error(err)
	}
	p.send("0601004c" + commits[0] + "0011000d" + strings.Repeat("00", 64)) // OFPET_BUNDLE_FAILED, OFPBFC_MSG_FAILED
	var refused *RefusedError
	if err := <-answers[0]; !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
}
