// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMeant(t *testing.T) {
	w := newWorld()
	const web, db, twin = "db00112233445566", "7700112233445566", "7711112233445566"
	for id, name := range map[string]string{web: "", db: "db", twin: "twin", "88" + web: "twin"} {
		rec := testRecord(id)
		rec.Bridge, rec.Name = "br-"+id[:6], name
		if err := w.addNetwork(rec); err != nil {
			t.Fatal(err)
		}
	}
	for words, want := range map[string][]string{
		"db":       {db}, // and not the one whose id begins so
		"br-77001": nil, "br-770011": {db},
		"7700112": nil, "77001122": {db}, twin: {twin},
		"twin":       nil, // whose?
		"nobody":     nil,
		"db,twin":    {db},
		"db00112233": nil, // itself
	} {
		n := w.networks[web]
		n.opts.Outside.Peers = strings.Split(words, ",")
		if got := n.meant(w.networks); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", words, got, want)
		}
	}
}

func TestNameless(t *testing.T) {
	w := newWorld()
	add := func(id, name, peers string) {
		rec := testRecord(id)
		rec.Bridge, rec.Name = "br-"+id, name
		if peers != "" {
			rec.Options = map[string]string{"ovs.bridge.peers": peers}
		}
		if err := w.addNetwork(rec); err != nil {
			t.Fatal(err)
		}
	}
	add("one1", "", "")
	add("two2", "", "br-one1")
	if got := w.nameless(); got != nil {
		t.Errorf("Docker is asked for %v, though nobody has named a network by its name", got)
	}
	add("three3", "three", "db")
	if got := w.nameless(); len(got) != 2 {
		t.Errorf("without a name: %v", got)
	}
	add("one1", "db", "")
	if got := w.nameless(); got != nil {
		t.Errorf("every peer is known, and Docker is asked for %v", got)
	}
}

func TestDockerNames(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	if _, err := dockerNames(t.Context(), socket); err == nil {
		t.Error("no engine, no error")
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	status, body := http.StatusOK, `[{"Name":"web","Id":"1","Driver":"ovs"},{"Name":"db","Id":"2"}]`
	engine := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/networks" {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})}
	served := make(chan error, 1)
	go func() { served <- engine.Serve(l) }()
	defer func() {
		_ = engine.Close()
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			t.Error(ended)
		}
	}()
	names, err := dockerNames(t.Context(), socket)
	if err != nil || len(names) != 2 || names["1"] != "web" || names["2"] != "db" {
		t.Errorf("%v, %v", names, err)
	}
	for text, code := range map[string]int{"busy": http.StatusInternalServerError, "{": http.StatusOK, `{"message":"no"}`: http.StatusForbidden} {
		status, body = code, text
		if names, err := dockerNames(t.Context(), socket); err == nil {
			t.Errorf("%d %s: %v", code, text, names)
		}
	}
}
