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

// flood sends the templates in turn, as fast as the kernel takes them, until that many frames are sent or the time is up.
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
	noise := make([]byte, 1<<16)
	at := len(noise)
	begin := time.Now()
	end := begin.Add(time.Duration(seconds) * time.Second)
	sent, refused := 0, 0
	for ; sent < count; sent++ {
		if sent%64 == 0 && time.Now().After(end) {
			break
		}
		t := templates[sent%len(templates)]
		for _, r := range t.random {
			n := r.to - r.from
			if at+n > len(noise) {
				_, _ = rand.Read(noise) // crypto/rand never fails
				at = 0
			}
			copy(t.frame[r.from:r.to], noise[at:at+n])
			at += n
		}
		if _, err := unix.Write(fd, t.frame); errors.Is(err, unix.ENOBUFS) {
			refused++
		} else if err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stdout, "%d frames in %v, %d more than the interface took\n", sent, time.Since(begin).Round(time.Millisecond), refused)
	return nil
}
