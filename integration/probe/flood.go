// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// template is a frame with bytes that are different each time.
type template struct {
	frame  []byte
	random []byteRange
}

type byteRange struct{ from, to int }

// parseTemplate reads HEX/FROM-TO/FROM-TO...: the bytes FROM to TO-1 are random.
func parseTemplate(text string) (template, error) {
	parts := strings.Split(text, "/")
	var t template
	var err error
	if t.frame, err = hex.DecodeString(parts[0]); err != nil {
		return t, err
	}
	for _, p := range parts[1:] {
		from, to, _ := strings.Cut(p, "-")
		r := byteRange{}
		if r.from, err = strconv.Atoi(from); err != nil {
			return t, err
		}
		if r.to, err = strconv.Atoi(to); err != nil {
			return t, err
		}
		if r.from > r.to || r.to > len(t.frame) {
			return t, fmt.Errorf("%s: not inside of a frame of %d bytes", p, len(t.frame))
		}
		t.random = append(t.random, r)
	}
	return t, nil
}

// flood sends so many frames of the templates, in turn and evenly over so many seconds, or as many as the kernel takes
// in that time.
func flood(iface string, seconds, count int, texts []string) error {
	fd, err := packetSocket(iface)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // at the end of the program
	templates := make([]template, len(texts))
	for i, text := range texts {
		if templates[i], err = parseTemplate(text); err != nil {
			return err
		}
	}
	var dice noise
	total := time.Duration(seconds) * time.Second
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	sent, refused := 0, 0
	for elapsed := time.Duration(0); sent < count && elapsed < total; elapsed = time.Since(begin) {
		<-tick.C
		for due := min(count, int(time.Since(begin)*time.Duration(count)/total)); sent < due; sent++ {
			t := templates[sent%len(templates)]
			for _, r := range t.random {
				dice.fill(t.frame[r.from:r.to])
			}
			if _, err := unix.Write(fd, t.frame); errors.Is(err, unix.ENOBUFS) {
				refused++
			} else if err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(os.Stdout, "%d frames in %v, %d more than the interface took\n", sent, time.Since(begin).Round(time.Millisecond), refused)
	return nil
}

// noise hands out random bytes that it makes in bulk.
type noise struct {
	bytes [1 << 16]byte
	left  int
}

func (n *noise) fill(b []byte) {
	if n.left < len(b) {
		_, _ = rand.Read(n.bytes[:]) // crypto/rand never fails
		n.left = len(n.bytes)
	}
	copy(b, n.bytes[len(n.bytes)-n.left:])
	n.left -= len(b)
}
