// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// minIDPrefix is the least of an id that names a network: less of it could be a word like "db".
const minIDPrefix = 8

// means tells whether a word of ovs.bridge.peers is another network: its bridge, the start of its id, or the name that
// it has in Docker, where no other network of ours has the same.
func (n network) means(word string, other network, all map[string]network) bool {
	if other.ID == n.ID {
		return false
	}
	if other.Bridge == word || len(word) >= minIDPrefix && strings.HasPrefix(other.ID, word) {
		return true
	}
	if other.Name != word {
		return false
	}
	for _, o := range all {
		if o.Name == word && o.ID != other.ID {
			return false
		}
	}
	return true
}

// nameless gives the networks whose names in Docker matter and are not known: all of them as long as some network's
// peer is nobody yet.
func (w world) nameless() []string {
	var ids []string
	for _, n := range w.networks {
		if n.Name == "" {
			ids = append(ids, n.ID)
		}
	}
	for _, n := range w.networks {
		for _, word := range n.opts.Outside.Peers {
			known := false
			for _, other := range w.networks {
				known = known || n.means(word, other, w.networks)
			}
			if !known {
				return ids
			}
		}
	}
	return nil
}

// Docker knows a new network by its name when the verb that made it has answered, which is soon. What it does not tell
// in these attempts, each after twice the time, is asked again at the audits' pace.
const (
	nameAttempts = 8
	nameFirst    = 50 * time.Millisecond
)

// learnNames asks Docker for names whenever they matter, until ctx ends. It is beside the loop and the verbs, which
// Docker itself may be waiting for.
func (d *Driver) learnNames(ctx context.Context) {
	tick := time.NewTicker(d.cfg.AuditInterval)
	defer tick.Stop()
	select {
	case <-d.restored:
	case <-ctx.Done():
		return
	}
	for {
		for attempt := range nameAttempts {
			if done, err := d.askNames(ctx); done {
				break
			} else if err != nil {
				d.log.Debug("Docker was not to be asked for the names of networks", "err", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(nameFirst << attempt):
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-d.unnamed:
		case <-tick.C:
		}
	}
}

// askNames asks Docker once, if names are missing, and takes what it tells. done says that none is missing any more.
func (d *Driver) askNames(ctx context.Context) (done bool, err error) {
	d.mu.Lock()
	ids := d.world.nameless()
	d.mu.Unlock()
	if len(ids) == 0 {
		return true, nil
	}
	names, err := dockerNames(ctx, d.cfg.DockerSocket)
	if err != nil {
		return false, err
	}
	done = true
	for _, id := range ids {
		ok, err := d.name(id, names[id])
		done = done && ok
		if err != nil {
			return false, err
		}
	}
	return done, nil
}

// name keeps the name of a network, unless a verb is working on it.
func (d *Driver) name(id, name string) (done bool, err error) {
	unlock, ok := d.locks.try(networkKey(id))
	if !ok || name == "" {
		if ok {
			unlock()
		}
		return false, nil
	}
	defer unlock()
	d.mu.Lock()
	n, ok := d.world.networks[id]
	if ok {
		n.Name = name
		d.world.networks[id] = n
	}
	d.mu.Unlock()
	if !ok || !n.settled {
		return true, nil
	}
	d.log.Info("network's name learned from Docker", "network", short(id), "name", name)
	d.loop.want() // its peers' ways, and its bridge's external_ids
	return true, d.journal.save(n.record)
}

const (
	dockerPatience = 5 * time.Second
	maxNetworks    = 64 << 20 // bytes
	// maxDockerName bounds a name: it is written into the network's record, which is to be read back.
	maxDockerName = 4 << 10
)

// dockerNames asks Docker's API for the names of networks by their ids. A name that is too long to be kept is left out; its
// network is known all the same.
func dockerNames(ctx context.Context, socket string) (map[string]string, error) {
	var networks []struct{ ID, Name string }
	if err := askDocker(ctx, socket, "/networks", &networks); err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, n := range networks {
		if len(n.Name) > maxDockerName {
			n.Name = ""
		}
		names[n.ID] = n.Name
	}
	return names, nil
}

// askDocker asks Docker's API, which may hang, and may not be Docker's at all.
func askDocker(ctx context.Context, socket, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, dockerPatience)
	defer cancel()
	client := http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", socket)
		}},
		// Docker sends nobody elsewhere; who does is not Docker.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+path, http.NoBody)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking Docker for its networks: %w", err)
	}
	err = json.NewDecoder(io.LimitReader(res.Body, maxNetworks)).Decode(answer)
	err = errors.Join(err, res.Body.Close())
	if res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", res.Status)
	}
	if err != nil {
		return fmt.Errorf("asking Docker for its networks: %w", err)
	}
	return nil
}

// askForNames has learnNames look soon.
func (d *Driver) askForNames() {
	select {
	case d.unnamed <- struct{}{}:
	default: // it is asked for already
	}
}

// meant are the ids of the networks that ovs.bridge.peers names.
func (n network) meant(all map[string]network) []string {
	var out []string
	for id, other := range all {
		if slices.ContainsFunc(n.opts.Outside.Peers, func(word string) bool { return n.means(word, other, all) }) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}
