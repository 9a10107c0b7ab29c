// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/knftables"
)

// nftDeadline bounds one run of nft. A run that was begun is not cut off with its caller: one that is killed may
// or may not have done its work.
const nftDeadline = 20 * time.Second

// table is our table in the kernel, and what we know of it. Its methods need the Firewall's lock.
type table struct {
	name string
	nft  knftables.Interface

	// known tells that installed and text are what stands in the kernel, as far as only we changed it.
	known     bool
	installed elements
	text      string // the listing without elements
}

func openTable(name string) (*table, error) {
	nft, err := knftables.New(knftables.InetFamily, name)
	if err != nil {
		return nil, fmt.Errorf("nftables: %w; install the package nftables, and give CAP_NET_ADMIN", err)
	}
	return &table{name: name, nft: nft, installed: elements{}}, nil
}

// change puts elements in and takes others out, in one transaction. Where the table is missing or unknown, it is
// made anew with what all gives and what an earlier run left in it, less what goes.
func (t *table) change(ctx context.Context, add elements, del []element, all func() elements) error {
	if t.known {
		tx, done := t.difference(add, del)
		if tx.NumOperations() == 0 {
			return nil
		}
		if err := t.run(ctx, tx); err == nil {
			done()
			return nil
		}
		// Somebody changed or flushed the table under our hands.
		t.known = false
	}
	left, err := t.read(ctx)
	if err != nil {
		return err
	}
	for _, k := range del {
		delete(left, k)
	}
	left.add(all())
	left.dropOverlaps()
	return t.rebuild(ctx, left)
}

// difference is the transaction from what is installed to what is asked. Once it is through, done makes installed
// follow, at the cost of the change alone.
func (t *table) difference(add elements, del []element) (tx *knftables.Transaction, done func()) {
	tx = t.nft.NewTransaction()
	var gone []element
	came := elements{}
	for _, k := range del {
		if _, stays := add[k]; stays {
			continue
		}
		if v, is := t.installed[k]; is {
			tx.Delete(k.knft(v))
			gone = append(gone, k)
		}
	}
	for _, k := range add.sorted() {
		v := add[k]
		old, is := t.installed[k]
		if is && old == v {
			continue
		}
		if is {
			tx.Delete(k.knft(old))
		}
		tx.Add(k.knft(v))
		came[k] = v
	}
	return tx, func() {
		for _, k := range gone {
			delete(t.installed, k)
		}
		t.installed.add(came)
	}
}

// rebuild makes the table anew, whatever stands there, in one transaction: no packet sees it half done.
func (t *table) rebuild(ctx context.Context, want elements) error {
	t.known = false
	tx := t.nft.NewTransaction()
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("Kept by ovsnet: changes made by hand are undone.")})
	for _, d := range setDefs {
		var doc *string
		if d.doc != "" {
			doc = &d.doc
		}
		if d.value != "" {
			tx.Add(&knftables.Map{Name: d.name, Type: d.key + " : " + d.value, Comment: doc})
			continue
		}
		s := &knftables.Set{Name: d.name, Type: d.key, Comment: doc}
		if d.interval {
			s.Flags = []knftables.SetFlag{knftables.IntervalFlag}
		}
		tx.Add(s)
	}
	for _, c := range chainDefs {
		chain := &knftables.Chain{Name: c.name}
		if c.hook != "" {
			chain.Type, chain.Hook, chain.Priority = &c.kind, &c.hook, &c.priority
		}
		tx.Add(chain)
	}
	for _, c := range chainDefs {
		for _, r := range c.rules {
			tx.Add(&knftables.Rule{Chain: c.name, Rule: r})
		}
	}
	for _, k := range want.sorted() {
		tx.Add(k.knft(want[k]))
	}
	if err := t.run(ctx, tx); err != nil {
		return fmt.Errorf("nftables table inet %s: %w", t.name, err)
	}
	text, err := t.listing(ctx)
	if err != nil {
		return err
	}
	t.text, t.installed, t.known = text, want, true
	return nil
}

// audit compares the table with what should stand in it, and repairs it. It counts the differences: an element
// each, and one for everything else.
func (t *table) audit(ctx context.Context, want elements) (int, error) {
	was, err := t.listing(ctx)
	missing := errors.Is(err, errNoTable)
	if err != nil && !missing {
		return 0, err
	}
	is, err := t.read(ctx)
	if err != nil {
		return 0, err
	}
	surplus, broken := is.without(want), 0
	for k, v := range want {
		if old, there := is[k]; !there || old != v {
			broken++
		}
	}
	broken += len(surplus)
	if t.known && was == t.text {
		t.installed = is
		tx, done := t.difference(want, surplus)
		if tx.NumOperations() == 0 {
			return 0, nil
		}
		if err := t.run(ctx, tx); err != nil {
			t.known = false
			return 0, fmt.Errorf("nftables table inet %s: %w", t.name, err)
		}
		done()
		return broken, nil
	}
	first := t.text == ""
	if err := t.rebuild(ctx, want); err != nil {
		return 0, err
	}
	switch {
	case missing && first: // nothing was there, nothing was broken
		return 0, nil
	case missing:
		return 1, nil
	case was != t.text:
		broken++
	}
	return broken, nil
}

// has tells whether the table has a host port already, on any address.
func (t *table) has(b binding) bool {
	for _, s := range []string{"4", "6"} {
		if _, in := t.installed[element{mapPorts + s, join(fmt.Sprint(b.proto), fmt.Sprint(b.port))}]; in {
			return true
		}
	}
	_, in := t.installed[element{mapPortsAt + suffix(b.hostIP), join(b.hostIP.String(), fmt.Sprint(b.proto), fmt.Sprint(b.port))}]
	return in
}

// remove deletes the table.
func (t *table) remove(ctx context.Context) error {
	tx := t.nft.NewTransaction()
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	t.known, t.text, t.installed = false, "", elements{}
	if err := t.run(ctx, tx); err != nil {
		return fmt.Errorf("nftables table inet %s: %w", t.name, err)
	}
	return nil
}

func (t *table) run(ctx context.Context, tx *knftables.Transaction) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nftDeadline)
	defer cancel()
	return t.nft.Run(ctx, tx)
}
