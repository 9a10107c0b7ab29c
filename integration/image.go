// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Image is the image that every host has: busybox with all its commands, and
// probe, see integration/probe. A container of it serves probe's TCP and UDP
// questions on port 9000.
const Image = "ovsnet-test"

// importImage gives the host's engine the test image.
func (h *Host) importImage(tb testing.TB) {
	tb.Helper()
	image, err := testImage()
	if err != nil {
		tb.Fatal(err)
	}
	args := dockerArgs("import", []string{"--change", `CMD ["/bin/probe","serve",":9000"]`, "-", Image})
	if _, err := feed(bytes.NewBuffer(image), args, h.dockerEnv()); err != nil {
		tb.Fatal(err)
	}
}

// testImage is the image as a tar archive.
var testImage = sync.OnceValues(func() ([]byte, error) {
	probe, err := build("./integration/probe", "probe")
	if err != nil {
		return nil, err
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return nil, err
	}
	applets, err := exec.CommandContext(context.Background(), busybox, "--list").Output()
	if err != nil {
		return nil, err
	}
	var image bytes.Buffer
	w := tar.NewWriter(&image)
	for name, source := range map[string]string{"bin/busybox": busybox, "bin/probe": probe} {
		text, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(text); err != nil {
			return nil, err
		}
	}
	for _, name := range strings.Fields(string(applets)) {
		if name == "busybox" {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox"}); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"tmp/", "etc/", "proc/", "sys/", "dev/"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: int64(fs.ModePerm)}); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return image.Bytes(), nil
})

// build compiles a program of the module, statically, into build/e2e, once for
// all tests of this process, and returns its path. The driver has the race
// detector in it where the tests have, and is then in build/race. Where
// OVSNET_PROGRAMS names a folder, a program has been compiled before and is there.
func build(pkg, name string) (string, error) {
	if made := os.Getenv("OVSNET_PROGRAMS"); made != "" {
		return filepath.Join(made, name), nil
	}
	once, _ := builds.LoadOrStore(name, sync.OnceValues(func() (string, error) { return compile(pkg, name) }))
	return once.(func() (string, error))() //nolint:errcheck,forcetypeassert // nothing else is stored
}

// builds has what build has made, by name.
var builds sync.Map

func compile(pkg, name string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	folder, cgo, args := "e2e", "CGO_ENABLED=0", []string{"build", "-trimpath", "-buildvcs=false"}
	if raced && name == driverProgram {
		folder, cgo, args = "race", "CGO_ENABLED=1", append(args, "-race") // the detector needs cgo
	}
	target := filepath.Join(root, "build", folder, name)
	cmd := exec.CommandContext(context.Background(), "go", append(args, "-o", target, pkg)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w: %s", pkg, err, out)
	}
	return target, nil
}

// moduleRoot is the folder of go.mod.
var moduleRoot = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err = os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil || dir == "/" {
			return dir, err
		}
		dir = filepath.Dir(dir)
	}
})
