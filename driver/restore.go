// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"fmt"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// restore reads back into the world what Open vSwitch holds of ours: endpoints, and networks whose journal entry is lost.
func (d *Driver) restore(ctx context.Context, snap ovsdb.Snapshot) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range snap.Bridges {
		if _, known := d.world.networks[b.IDs.Network]; known || d.journal.gone(b.IDs.Network) {
			continue
		}
		rec, err := decodeRecord([]byte(b.IDs.Spec))
		if err == nil && rec.ID == b.IDs.Network && rec.Bridge == b.Name {
			if err = d.world.addNetwork(rec); err == nil {
				if bad := d.journal.save(rec); bad != nil {
					d.log.Warn("network is not in the journal yet", "network", short(rec.ID), "err", bad) // the audit tries on
				}
			}
		} else if err == nil {
			err = fmt.Errorf("it is of network %s and bridge %s", short(rec.ID), rec.Bridge)
		}
		if err != nil {
			d.log.Error("bridge left alone: its network can't be read back", "bridge", b.Name, "err", err)
			d.alone[b.Name] = true
			continue
		}
		d.log.Info("network read back from its bridge", "network", short(rec.ID), "bridge", rec.Bridge)
	}
	for id, n := range d.world.networks {
		n.settled = true
		if _, _, err := n.peers.become(d.peersOf(n)); err != nil {
			d.log.Error("peers left out", "network", short(id), "err", err)
		}
		d.world.networks[id] = n
	}
	links, err := d.links.List(ctx, "") // whatever their alias is by now
	if err != nil {
		return err
	}
	there := make(map[string]string, len(links)) // the aliases of links
	for _, k := range links {
		there[k.Name] = k.Alias
	}
	restored := 0
	for _, p := range snap.Ports {
		n, ok := d.world.networks[p.IDs.Network]
		if !ok || p.IDs.Endpoint == "" || p.Bridge != n.Bridge {
			continue
		}
		if _, exists := there[p.Name]; !exists {
			continue // the machine was restarted, or the container went while we were away
		}
		e := endpoint{
			ID: p.IDs.Endpoint, Network: n.ID, MAC: p.IDs.MAC, Addresses: p.IDs.Addresses, Options: p.IDs.Options,
			Link: p.Name, Peer: p.IDs.Peer, OFPort: p.OFPort, wantFlows: true, attached: true,
		}
		if e.OFPort == 0 {
			e.OFPort = p.OFPortRequest
		}
		if e.opts, err = config.ParseEndpoint(e.Options); err != nil {
			d.log.Error("endpoint's options can't be read back: using none", "endpoint", short(e.ID), "err", err)
		}
		d.world.putEndpoint(e)
		restored++
	}
	restored += d.restoreEndpoints(there)
	d.log.Info("restored", "networks", len(d.world.networks), "endpoints", restored)
	return nil
}

// restoreEndpoints reads those endpoints back from the journal that Open vSwitch has forgotten while we were away, and
// whose links are there, with the alias that each has. The caller holds mu.
func (d *Driver) restoreEndpoints(there map[string]string) (restored int) {
	records, errs := d.journal.loadEndpoints()
	for _, bad := range errs {
		d.log.Error("journal entry left alone", "err", bad)
	}
	for _, rec := range records {
		n, ok := d.world.networks[rec.Network]
		if _, known := d.world.endpoints[rec.ID]; known || !ok {
			continue
		}
		if there[rec.Link] != alias(d.cfg.Owner, rec.Network, rec.ID) {
			continue // the container went while we were away
		}
		e := rec.endpoint()
		var err error
		if e.opts, err = config.ParseEndpoint(e.Options); err != nil {
			d.log.Error("endpoint's options can't be read back: using none", "endpoint", short(e.ID), "err", err)
		}
		d.log.Warn("endpoint read back from the journal: Open vSwitch had forgotten it", "endpoint", short(e.ID), "bridge", n.Bridge, "port", e.Link)
		d.world.putEndpoint(e)
		restored++
	}
	return restored
}
