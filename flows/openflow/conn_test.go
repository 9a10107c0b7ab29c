// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/flows"
)

// peer is the switch's end of a connection, for what a real switch does not do
// on demand.
type peer struct {
	net.Conn
	t *testing.T
}

func closing(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// connect dials a listener that answers HELLO with the given bytes.
func connect(t *testing.T, hello string) (*Conn, *peer, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "br0.mgmt")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, l)
	accepted := make(chan *peer, 1)
	go func() {
		nc, failed := l.Accept()
		if failed != nil {
			close(accepted)
			return
		}
		p := &peer{nc, t}
		p.readMessage()
		p.send(hello)
		accepted <- p
	}()
	c, err := Dial(testContext(t), path, nil)
	p, ok := <-accepted
	if !ok {
		t.Fatal("nobody came")
	}
	t.Cleanup(func() {
		_ = p.Close()
		if c != nil {
			_ = c.Close()
		}
	})
	return c, p, err
}

const hello15 = "0600000800000001"

func connected(t *testing.T) (*Conn, *peer) {
	t.Helper()
	c, p, err := connect(t, hello15)
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

func (p *peer) send(hexBytes string) {
	b, err := hex.DecodeString(strings.ReplaceAll(hexBytes, " ", ""))
	if err == nil {
		_, err = p.Write(b)
	}
	if err != nil {
		p.t.Errorf("peer: %v", err)
	}
}

func (p *peer) readMessage() (head, body []byte) {
	head = make([]byte, headerLen)
	_, err := io.ReadFull(p, head)
	if err == nil {
		body = make([]byte, int(get16(head[2:]))-headerLen)
		_, err = io.ReadFull(p, body)
	}
	if err != nil {
		p.t.Errorf("peer: %v", err)
	}
	return head, body
}

func TestDialNeedsVersion15(t *testing.T) {
	t.Parallel()
	for name, hello := range map[string]string{
		"1.3":             "0400000800000001",
		"a bitmap":        "0600001000000001 00010008 00000010",
		"1.3 and a 1.5":   "0400001800000001 0002000500000000 00010008 00000010",
		"incompatible":    "0601000c00000001 00000000",
		"1.0 with bitmap": "0100001000000001 00010008 00000002",
	} {
		if _, _, err := connect(t, hello); !errors.Is(err, ErrVersion) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, hello := range map[string]string{
		"bare":           hello15,
		"a bitmap":       "0400001000000001 00010008 00000050",
		"other elements": "0600001800000001 0002000500000000 00010008 00000040",
		"1.6":            "0700000800000001",
	} {
		if _, _, err := connect(t, hello); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var malformed *DecodeError
	if _, _, err := connect(t, "0602000800000001"); !errors.As(err, &malformed) {
		t.Errorf("an echo request instead of hello: %v", err)
	}
	if _, _, err := connect(t, "0600000700000001"); !errors.As(err, &malformed) {
		t.Errorf("a length of 7: %v", err)
	}
}

func TestDialNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none.mgmt")
	if _, err := Dial(testContext(t), path, nil); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "ovs-vswitchd") {
		t.Errorf("%v", err)
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mute.mgmt")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, l)
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, path, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestEchoRequestIsAnswered(t *testing.T) {
	t.Parallel()
	_, p := connected(t)
	p.send("0602000c000000aa 01020304")
	head, body := p.readMessage()
	if head[1] != typeEchoReply || get32(head[4:]) != 0xaa || get32(body) != 0x01020304 {
		t.Errorf("answer %x %x", head, body)
	}
}

func TestStrayMessagesAreIgnored(t *testing.T) {
	t.Parallel()
	c, p := connected(t)
	p.send("060a000800000000" + "060c000800000000" + "060c001000000000" + "0000000000000000" + "0601000c000000aa00010001" + "0601000a000000aa0001" + "0613001000000055 0001000000000000")
	done := make(chan error, 1)
	go func() { done <- c.Echo(testContext(t)) }()
	head, _ := p.readMessage()
	p.send("06030008" + hex.EncodeToString(head[4:]))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNonsenseEndsTheConnection(t *testing.T) {
	t.Parallel()
	for name, bytes := range map[string]string{
		"short length":   "0603000000000000",
		"other version":  "0403000800000000",
		"half a message": "0603",
	} {
		c, p := connected(t)
		p.send(bytes)
		if name == "half a message" {
			_ = p.Close()
		}
		<-c.Done()
		err := c.Err()
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
		if got := c.Apply(testContext(t), Update{Flows: []flows.Flow{portFlow(1, 0)}}); !errors.Is(got, ErrClosed) {
			t.Errorf("%s: Apply: %v", name, got)
		}
		if _, got := c.DumpFlows(testContext(t), 0, 0); !errors.Is(got, ErrClosed) {
			t.Errorf("%s: DumpFlows: %v", name, got)
		}
	}
}

// Replies that are not what was asked for end the call, not the connection.
func TestWrongRepliesEndTheCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ kind, body string }{
		"other type":      {"15", ""},
		"other multipart": {"13", "0002000000000000"},
		"short":           {"13", "0001"},
		"bad entry":       {"13", "0001000000000000 0003"},
		"short error":     {"01", "0001"},
		"an error":        {"01", "00010002"},
	} {
		conn, p := connected(t)
		done := make(chan error, 1)
		go func() {
			_, err := conn.DumpFlows(testContext(t), 0, 0)
			done <- err
		}()
		head, _ := p.readMessage()
		body := strings.ReplaceAll(c.body, " ", "")
		p.send("06" + c.kind + hex.EncodeToString(be16(nil, uint16(headerLen+len(body)/2))) + hex.EncodeToString(head[4:]) + body)
		var malformed *DecodeError
		var refused *RefusedError
		err := <-done
		if name == "an error" {
			if !errors.As(err, &refused) || refused.Name != "OFPBRC_BAD_STAT" {
				t.Errorf("%s: %v", name, err)
			}
		} else if !errors.As(err, &malformed) {
			t.Errorf("%s: %v", name, err)
		}
		if err := conn.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCloseEndsCalls(t *testing.T) {
	t.Parallel()
	c, p := connected(t)
	done := make(chan error, 2)
	go func() { done <- c.Barrier(testContext(t)) }()
	p.readMessage()
	go func() { done <- c.Apply(testContext(t), Update{Flows: []flows.Flow{portFlow(1, 0)}}) }()
	p.readMessage() // open
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
	}
	if err := c.Err(); !errors.Is(err, ErrClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// A commit whose answer is lost is neither success nor failure.
func TestLostCommitIsUncertain(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"deadline", "connection"} {
		c, p := connected(t)
		ctx, cancel := context.WithCancel(testContext(t))
		done := make(chan error, 1)
		go func() { done <- c.Apply(ctx, Update{Flows: []flows.Flow{portFlow(1, 0)}}) }()
		p.readMessage() // open
		p.readMessage() // add
		head, _ := p.readMessage()
		p.send("06210010" + hex.EncodeToString(head[4:]) + "0000000100030003")
		if _, body := p.readMessage(); get16(body[4:]) != bundleCommit {
			t.Errorf("no commit: %x", body)
		}
		if how == "deadline" {
			cancel()
		} else {
			_ = p.Close()
		}
		if err := <-done; !errors.Is(err, ErrUncertain) {
			t.Errorf("%s: %v", how, err)
		}
		cancel()
	}
}

// While the switch does not answer, calls end with their contexts, and work
// again afterwards on a connection that was not cut in the middle of a message.
func TestSwitchThatStopsAnswering(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	b.sw.PauseVSwitchd(t)
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	if err := b.Echo(short()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Echo: %v", err)
	}
	if _, err := b.Ports(short()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ports: %v", err)
	}
	if err := b.Meters(short(), []MeterMod{{MeterDelete, flows.MeterDesc{ID: 1}}}); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrUncertain) {
		t.Errorf("Meters: %v", err)
	}
	if err := b.Apply(short(), Update{Flows: []flows.Flow{portFlow(1, 0)}}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUncertain) {
		t.Errorf("Apply: %v", err)
	}
	cancelled, cancel := context.WithCancel(testContext(t))
	cancel()
	if err := b.Barrier(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("Barrier: %v", err)
	}
	b.sw.ResumeVSwitchd(t)
	if err := b.Apply(testContext(t), Update{Flows: []flows.Flow{portFlow(2, 0)}}); err != nil {
		t.Fatal(err)
	}
	if texts := b.flowTexts(t); len(texts) != 1 || texts[0] != portFlow(2, 0).String() {
		t.Errorf("after an abandoned bundle: %q", texts)
	}
	// More than the socket takes: the deadline comes in the middle of a message,
	// which ends the connection, or between two, which does not.
	b.sw.PauseVSwitchd(t)
	var large Update
	for i := range uint32(20000) {
		large.Flows = append(large.Flows, portFlow(i+1, 0))
	}
	ctx, cancel := context.WithTimeout(testContext(t), 2*time.Second)
	defer cancel()
	if err := b.Apply(ctx, large); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("large Apply: %v", err)
	}
	b.sw.ResumeVSwitchd(t)
	if err := b.Echo(testContext(t)); err != nil && (!errors.Is(err, ErrClosed) || b.Err() == nil) {
		t.Errorf("after a large Apply: %v", err)
	}
	if texts := b.flowTexts(t); len(texts) != 1 {
		t.Errorf("after a large Apply: %d flows", len(texts))
	}
}

func TestLostSwitch(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	if err := b.Err(); err != nil {
		t.Error(err)
	}
	b.sw.KillVSwitchd(t)
	<-b.Done()
	if err := b.Apply(testContext(t), Update{}); !errors.Is(err, ErrClosed) {
		t.Errorf("empty update on a lost connection: %v", err)
	}
	b.sw.StartVSwitchd(t)
	again := dial(t, b.sw.Mgmt(bridgeName))
	if err := again.Echo(testContext(t)); err != nil {
		t.Error(err)
	}
	// The bridge goes, and its connection with it.
	b.sw.Ctl(t, "del-br", bridgeName)
	<-again.Done()
}

func TestBridgeThatExcludes15(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	b.sw.Ctl(t, "set", "Bridge", bridgeName, "protocols=OpenFlow10,OpenFlow13")
	if _, err := Dial(testContext(t), b.sw.Mgmt(bridgeName), nil); !errors.Is(err, ErrVersion) {
		t.Errorf("%v", err)
	}
}

func TestTransactionIDsWrapAround(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	b.nextXID = ^uint32(0) - 2
	for range 3 {
		if err := b.Echo(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
	b.nextXID = ^uint32(0) - 2
	if err := b.Apply(testContext(t), Update{Flows: []flows.Flow{portFlow(1, 0), portFlow(2, 0), portFlow(3, 0)}}); err != nil {
		t.Error(err)
	}
}
