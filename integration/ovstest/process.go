// SPDX-License-Identifier: Apache-2.0

package ovstest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one daemon of the sandbox; it can be started again after it ended.
type process struct {
	name string
	args []string
	env  []string
	log  string // file that gets its output

	cmd  *exec.Cmd
	done chan struct{} // closed when the process was waited for
}

// starts hands exec.Cmd values to one goroutine that keeps its thread for
// ever. Pdeathsig fires when the thread that forked ends, not the process, so
// a child must not come from a thread that some test locks and lets die.
var starts = sync.OnceValue(func() chan<- startRequest {
	requests := make(chan startRequest)
	go func() {
		runtime.LockOSThread()
		for r := range requests {
			r.result <- r.cmd.Start()
		}
	}()
	return requests
})

type startRequest struct {
	cmd    *exec.Cmd
	result chan<- error
}

// StartTied starts cmd so that it is killed when the test binary dies. The
// caller waits for it with cmd.Wait.
func StartTied(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	result := make(chan error, 1)
	starts() <- startRequest{cmd, result}
	return <-result
}

func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) start() error {
	if p.running() {
		return fmt.Errorf("%s: already running", p.name)
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	cmd := exec.CommandContext(context.Background(), p.args[0], p.args[1:]...)
	cmd.Env = p.env
	cmd.Dir = filepath.Dir(p.log)
	cmd.Stdout, cmd.Stderr = log, log
	err = StartTied(cmd)
	if cerr := log.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // how it ended shows in its log
	}()
	p.cmd, p.done = cmd, done
	return nil
}

// stop ends the process with a signal and waits; after ten seconds it is killed.
func (p *process) stop(sig syscall.Signal) error {
	if !p.running() {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && p.running() {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	patience := time.NewTimer(10 * time.Second)
	defer patience.Stop()
	select {
	case <-p.done:
		return nil
	case <-patience.C:
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("%s: did not end in 10 s after %v, killed", p.name, sig)
}

// logTail is the end of the process's output.
func (p *process) logTail(lines int) string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
