// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"errors"

	"github.com/ovsnet/ovsnet/ovsdb"
)

// compareJournal writes what the journal lacks, and removes what is no more from it: endpoints, and the marks of removed
// networks whose bridges, which the audit saw, are gone.
func (l *loop) compareJournal(w world, snap ovsdb.Snapshot) error {
	d := l.d
	standing := map[string]bool{}
	for _, b := range snap.Bridges {
		_, wanted := w.networks[b.IDs.Network]
		standing[b.IDs.Network] = wanted || d.alone[b.Name]
	}
	errs := []error{d.journal.settleUp(), d.journal.forgetAll(standing)}
	for id, n := range w.networks {
		if n.settled && !d.journal.has(n.record) {
			errs = append(errs, l.locked(networkKey(id), func() error {
				d.mu.Lock()
				now, ok := d.world.networks[id]
				d.mu.Unlock()
				if !ok || !now.settled || d.journal.has(now.record) {
					return nil
				}
				return l.journalRepaired("network", id, d.journal.save(now.record))
			}))
		}
	}
	for id, e := range w.endpoints {
		if !d.journal.hasEndpoint(e) {
			errs = append(errs, l.locked(endpointKey(id), func() error {
				d.mu.Lock()
				now, ok := d.world.endpoints[id]
				d.mu.Unlock()
				if !ok || d.journal.hasEndpoint(now) {
					return nil
				}
				return l.journalRepaired("endpoint", id, d.journal.saveEndpoint(now))
			}))
		}
	}
	errs = append(errs, l.comparePorts(w))
	saved, _ := d.journal.loadEndpoints() // one that can't be read is left alone
	for _, rec := range saved {
		id := rec.ID
		if _, ok := w.endpoints[id]; !ok {
			errs = append(errs, l.locked(endpointKey(id), func() error {
				d.mu.Lock()
				_, known := d.world.endpoints[id]
				d.mu.Unlock()
				if known {
					return nil
				}
				return l.journalRepaired("endpoint", id, d.journal.removeEndpoint(id))
			}))
		}
	}
	return errors.Join(errs...)
}

// comparePorts writes down again which ports are published, where that is lost: a restart would close them.
func (l *loop) comparePorts(w world) error {
	d := l.d
	if d.fw == nil {
		return nil
	}
	var errs []error
	for id := range w.endpoints {
		if ports := d.fw.Published(id); len(ports) == 0 || d.journal.hasPorts(id, kept(ports)) {
			continue
		}
		errs = append(errs, l.locked(endpointKey(id), func() error {
			now := kept(d.fw.Published(id))
			if len(now) == 0 || d.journal.hasPorts(id, now) {
				return nil
			}
			return l.journalRepaired("ports of endpoint", id, d.journal.savePorts(id, now))
		}))
	}
	_, err := d.journal.loadPorts()
	return errors.Join(append(errs, err)...)
}

// journalRepaired counts what was written, if it was.
func (l *loop) journalRepaired(what, id string, err error) error {
	if err == nil {
		l.count(driftJournal, 1)
		l.log.Warn("journal was not what it should be: repaired", what, short(id))
	}
	return err
}

// locked runs f with a lock, unless a verb has it.
func (l *loop) locked(key string, f func() error) error {
	unlock, ok := l.d.locks.try(key)
	if !ok {
		return nil
	}
	defer unlock()
	return f()
}
