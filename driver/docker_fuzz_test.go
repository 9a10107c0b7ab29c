// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// someEngine is whoever answers on the socket of Docker's API: it says any bytes to any question, and hangs up.
type someEngine struct {
	socket string

	mu    sync.Mutex
	says  []byte
	asked int
}

func newSomeEngine(tb testing.TB) *someEngine {
	tb.Helper()
	e := &someEngine{socket: filepath.Join(tb.TempDir(), "docker.sock")}
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "unix", e.socket)
	if err != nil {
		tb.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.answer(c)
		}
	})
	tb.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return e
}

func (e *someEngine) answer(c net.Conn) {
	if q, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		e.mu.Lock()
		e.asked++
		_, _ = c.Write(e.says) // who has heard enough hangs up
		e.mu.Unlock()
		_ = q.Body.Close()
	}
	_ = c.Close()
}

// told gives what the two questions make of an answer, and how often the engine was asked.
func (e *someEngine) told(tb testing.TB, says []byte, network string) (names map[string]string, endpoints map[string]bool, errs [2]error, asked int) {
	tb.Helper()
	e.mu.Lock()
	e.says, e.asked = says, 0
	e.mu.Unlock()
	names, errs[0] = dockerNames(tb.Context(), e.socket)
	endpoints, errs[1] = dockerEndpoints(tb.Context(), e.socket, network)
	e.mu.Lock()
	defer e.mu.Unlock()
	return names, endpoints, errs, e.asked
}

// ok is an answer with a body, as an engine gives it.
func ok(body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func TestDockerAnswers(t *testing.T) {
	e := newSomeEngine(t)
	if names, _, errs, _ := e.told(t, ok(`[{"Id":"a","Name":"`+strings.Repeat("x", maxDockerName+1)+`"},{"Id":"b","Name":"b"}]`), "n"); errs[0] != nil ||
		len(names) != 2 || names["a"] != "" || names["b"] != "b" {
		t.Errorf("a name that is too long: %v, %v", names, errs[0])
	}
	for name, says := range map[string]string{
		"sends elsewhere": "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://docker/networks\r\nContent-Length: 2\r\n\r\n[]",
		"sends to TLS":    "HTTP/1.1 301 Moved Permanently\r\nLocation: https://docker/networks\r\nContent-Length: 2\r\n\r\n[]",
		"hangs up":        "",
		"is cut off":      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{\"Id\":\"a\",\"Name\":\"web\"}",
	} {
		if names, endpoints, errs, asked := e.told(t, []byte(says), "n"); errs[0] == nil || errs[1] == nil || asked != 2 {
			t.Errorf("%s: asked %d times, %v %v, %v", name, asked, names, endpoints, errs)
		}
	}
}

// FuzzDockerAnswers: whatever is said on the socket of Docker's API, it is asked once a question, and what is taken of it can
// be kept.
func FuzzDockerAnswers(f *testing.F) {
	const network = "77aa1a7be9d24c35a8b1"
	e := newSomeEngine(f)
	f.Add(ok(`[{"Name":"web","Id":"` + network + `","Driver":"ovs","Containers":{}},{"Name":"bridge","Id":"2"}]`))
	f.Add(ok(`{"Name":"web","Id":"` + network + `","Containers":{"c":{"Name":"c1","EndpointID":"e1","IPv4Address":"10.8.0.2/24"}}}`))
	f.Add(ok(`null`))
	f.Add(ok(`[{"Id":"a","Name":"\u0000\ud800<>"},null,{"id":"A"}]`))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 500 Internal Server Error\r\n\r\n{\"message\":\"no\"}"))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: /networks\r\n\r\n[]"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n[]"))
	f.Add([]byte("220 mail ready\r\n"))
	f.Fuzz(func(t *testing.T, says []byte) {
		names, endpoints, errs, asked := e.told(t, says, network)
		if asked != len(errs) {
			t.Errorf("two questions were asked %d times", asked)
		}
		if errs[0] != nil && names != nil || errs[1] != nil && endpoints != nil {
			t.Errorf("an error and an answer: %v %v, %v", names, endpoints, errs)
		}
		for id, name := range names {
			rec := testRecord(network)
			rec.Name = name
			data, err := encodeRecord(rec)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := decodeRecord(data); err != nil || back.Name != name {
				t.Errorf("the name %q of %q is read back as %q: %v", name, id, back.Name, err)
			}
		}
	})
}
