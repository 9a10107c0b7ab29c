// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"encoding/hex"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// FuzzConn: whatever the other end says, before or after HELLO, calls end, and so do the connection's goroutines.
func FuzzConn(f *testing.F) {
	for _, text := range []string{
		"", hello15, "0400000800000001", hello15 + "0602000800000000", hello15 + "0601000c0000000100010000",
		hello15 + "061500080000000" + "2", hello15 + "0613001000000002000d000000000000", hello15 + "06130010000000020006000100000000", "06000007",
		hello15 + "060c003800000000" + "0000000000000000" + "0000000100280000" + "0242000000010000" + "706f72740000000000000000000000000000000000000000",
		hello15 + "060c001000000000" + "0000000000000000", hello15 + "060c000c0000000000000000",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	l, err := net.Listen("unix", filepath.Join(f.TempDir(), "br.mgmt"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	f.Fuzz(func(t *testing.T, said []byte) {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			nc, failed := l.Accept()
			if failed != nil {
				return
			}
			defer nc.Close() //nolint:errcheck // either end may be first
			_, _ = nc.Write(said)
			if u, ok := nc.(*net.UnixConn); ok {
				_ = u.CloseWrite()
			}
			b := make([]byte, 4096)
			for failed == nil {
				_, failed = nc.Read(b)
			}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c, err := Dial(ctx, l.Addr().String(), nil)
		if err == nil {
			_ = c.Barrier(ctx)
			_ = c.Configure(ctx, func(p Port) { _ = p.Name })
			_, _ = c.DumpFlows(ctx, 0, 0)
			_, _ = c.Ports(ctx)
			if err = c.Close(); err != nil {
				t.Error(err)
			}
		}
		if ctx.Err() != nil {
			t.Error("calls did not end with the connection")
		}
		<-ended
	})
}
