// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// TestJournalFolder: on a full disk, or where the journal's folder has become read-only, what needs the journal is refused
// and undone, what runs goes on, and when there is room again everything is as the driver says, without a restart.
func TestJournalFolder(t *testing.T) {
	t.Parallel()
	const dir = "/var/lib/ovsnet"
	h := integration.NewLab(t).HostWith(t, "journal", integration.HostOptions{NoDocker: true})
	h.Run(t, "mkdir -p", dir)
	h.Run(t, "mount -t tmpfs -o size=256k,mode=700 tmpfs", dir)
	c := &crowd{Host: h, e: newEngine(h)}
	t.Cleanup(c.e.client.CloseIdleConnections)
	settings := []string{"OVSNET_DOCKER_SOCKET=none", "OVSNET_AUDIT_INTERVAL=1s"}
	h.StartServe(t, settings...)
	c.takes(t, "CreateNetwork", fmt.Sprintf(`{"NetworkID":%q,"Options":{},"IPv4Data":[{"Pool":"10.9.0.0/16","Gateway":"10.9.255.254/16"}]}`, benchNetwork))
	for _, f := range []struct{ name, begin, relax, says string }{
		{"full", "cat /dev/zero >" + dir + "/zeroes; test -s " + dir + "/zeroes", "rm " + dir + "/zeroes", "no space left on device; make room in"},
		{"read-only", "mount -o remount,ro " + dir, "mount -o remount,rw " + dir, "read-only file system"},
	} {
		t.Run(f.name, func(t *testing.T) {
			for _, verb := range []string{"CreateNetwork", "CreateEndpoint", "Join"} {
				c.takes(t, verb, netOn(50))
			}
			for _, verb := range []string{"CreateEndpoint", "Join"} {
				c.takes(t, verb, callOn(1))
			}
			h.Run(t, "sh -c", f.begin)
			bare := h.Bridges(t)
			c.refuses(t, "CreateNetwork", netOn(51), f.says)
			if now := h.Bridges(t); now != bare {
				t.Errorf("a network that was refused left something:\n%s\nbefore:\n%s", now, bare)
			}
			// Endpoints do not need the journal.
			for _, verb := range []string{"CreateEndpoint", "Join", "Leave"} {
				c.takes(t, verb, callOn(2))
			}
			c.takes(t, "Leave", callOn(1))
			// What can't be taken out of it now is taken out later.
			for _, call := range [][2]string{
				{"DeleteEndpoint", callOn(1)}, {"DeleteEndpoint", callOn(2)},
				{"Leave", netOn(50)}, {"DeleteEndpoint", netOn(50)}, {"DeleteNetwork", netOn(50)},
			} {
				if refused, _, err := c.try(t.Context(), call[0], call[1]); err != nil || refused != "" && !strings.Contains(refused, f.says) {
					t.Errorf("%s: %s %v", call[0], refused, err)
				}
			}
			h.Run(t, "sh -c", f.relax)
			c.recovers(t)
			soon(t, func() error {
				if left := h.Run(t, "find "+dir+" -type f ! -name", benchNetwork+".json"); left != "" {
					return fmt.Errorf("left in the journal:\n%s", left)
				}
				return nil
			})
		})
	}
	// Nothing of what was removed comes back.
	h.StopServe(t)
	h.StartServe(t, settings...)
	c.recovers(t)
}

// TestJournalKeepsPorts: which ports are published is written down again where that is lost or damaged, and what was revoked
// stays so while the folder does not take its removal.
func TestJournalKeepsPorts(t *testing.T) {
	t.Parallel()
	const dir = "/var/lib/ovsnet"
	h := integration.NewLab(t).HostWith(t, "ports", integration.HostOptions{NoDocker: true})
	h.Run(t, "mkdir -p", dir)
	h.Run(t, "mount -t tmpfs tmpfs", dir)
	c := &crowd{Host: h, e: newEngine(h)}
	t.Cleanup(c.e.client.CloseIdleConnections)
	settings := []string{"OVSNET_DOCKER_SOCKET=none", "OVSNET_AUDIT_INTERVAL=1s"}
	h.StartServe(t, settings...)
	for _, verb := range []string{"CreateNetwork", "CreateEndpoint", "Join"} {
		c.takes(t, verb, netOn(50))
	}
	binding := `"Options":{"com.docker.network.portmap":[{"Proto":6,"Port":80,"HostIP":"0.0.0.0","HostPort":0}]}`
	c.takes(t, "ProgramExternalConnectivity", strings.Replace(netOn(50), `"Options":{}`, binding, 1))
	open := func() string { return h.Run(t, "nft -n list map inet ovsnet ports4") }
	was, file := open(), h.Run(t, "sh -c", "ls "+dir+"/ports/*.json")
	kept := h.ReadFile(t, file)
	for name, loss := range map[string]string{"lost": "rm " + file, "damaged": "echo '[' >" + file, "emptied": "truncate --size=0 " + file} {
		h.Run(t, "sh -c", loss)
		soon(t, func() error {
			text, err := h.Try("cat", file)
			if err == nil && text != kept {
				err = fmt.Errorf("%s: %q, want %q", name, text, kept)
			}
			return err
		})
	}
	h.KillServe(t)
	h.Run(t, "nft delete table inet ovsnet")
	h.StartServe(t, settings...)
	soon(t, func() error {
		text, err := h.Try("nft -n list map inet ovsnet ports4")
		if err == nil && text != was {
			err = fmt.Errorf("published: %s, want %s", text, was)
		}
		return err
	})

	h.Run(t, "mount -o remount,ro", dir)
	c.refuses(t, "RevokeExternalConnectivity", netOn(50), "read-only file system; give write access to")
	for range 2 { // the first may have begun before
		last := c.Status(t).Audit.Last
		soon(t, func() error {
			if !c.Status(t).Audit.Last.After(last) {
				return errors.New("no audit since")
			}
			return nil
		})
	}
	if text := open(); strings.Contains(text, " : 10.") {
		t.Errorf("a port that was revoked is open again:\n%s", text)
	}
	h.Run(t, "mount -o remount,rw", dir)
	soon(t, func() error {
		if left := h.Run(t, "ls "+dir+"/ports"); left != "" {
			return fmt.Errorf("left in the journal: %s", left)
		}
		return nil
	})
}
