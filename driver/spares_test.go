// SPDX-License-Identifier: Apache-2.0

package driver

import "testing"

func (c *throng) openSpares() (n int) {
	for _, s := range c.spares {
		if s != nil && s.Err() == nil {
			n++
		}
	}
	return n
}

// TestSparesStay: a crowded bridge has its spares open for the next burst, another one has none.
func TestSparesStay(t *testing.T) {
	c := newThrong(t, crowdedFrom/2+96)
	few, rest := c.ends[:crowdedFrom/2], c.ends[crowdedFrom/2:]
	if err := c.make(few...); err != nil {
		t.Fatal(err)
	}
	if n := c.openSpares(); n != 0 {
		t.Errorf("%d spares are open with %d objects", n, len(c.objects))
	}
	burst := rest[:5*spreadOver] // one bundle for each
	if err := c.make(burst...); err != nil {
		t.Fatal(err)
	}
	was := c.spares
	if n := c.openSpares(); n != spreadOver {
		t.Fatalf("%d spares are open with %d objects", n, len(c.objects))
	}
	if err := c.make(rest[len(burst):]...); err != nil {
		t.Fatal(err)
	}
	if c.spares != was {
		t.Error("the second burst has opened connections of its own")
	}
	c.holds()
	gone := make([]flowChange, len(c.ends)-crowdedFrom/2)
	for i := range gone {
		gone[i] = flowChange{bridge: c.name, object: c.ends[i].object}
	}
	if err := c.make(gone...); err != nil {
		t.Fatal(err)
	}
	c.holds()
	if n := c.openSpares(); n != 0 {
		t.Errorf("%d spares are left open with %d objects", n, len(c.objects))
	}
}

// TestSparesAreLost: connections that ended with the switch are opened again by a comparison, or by what is spread next.
func TestSparesAreLost(t *testing.T) {
	c := newThrong(t, crowdedFrom+2*spreadOver)
	if err := c.make(c.ends[:crowdedFrom]...); err != nil {
		t.Fatal(err)
	}
	c.settle()
	was := c.spares
	c.sw.RestartVSwitchd(t)
	for _, s := range was {
		<-s.Done()
	}
	if c.settle() == 0 {
		t.Error("there was nothing to bring back")
	}
	if n := c.openSpares(); n != spreadOver {
		t.Errorf("%d spares are open", n)
	}
	was = c.spares
	if err := was[3].Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.make(c.ends[crowdedFrom:]...); err != nil {
		t.Fatal(err)
	}
	if n := c.openSpares(); n != spreadOver {
		t.Errorf("%d spares are open after one was lost", n)
	}
	if was[3] = c.spares[3]; c.spares != was {
		t.Error("others were opened again as well")
	}
	c.holds()
	c.close()
	if n := c.openSpares(); n != 0 {
		t.Errorf("%d spares outlive the bridge's own connection", n)
	}
}
