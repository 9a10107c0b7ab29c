// SPDX-License-Identifier: Apache-2.0

// Ovsnet makes Open vSwitch a Docker network driver. Its command serve is the driver; the others look at what
// it does: status asks the running daemon, flows shows the pipeline and what is in a switch, doctor checks the host,
// options prints the options page.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is the program as a function: arguments and environment in, texts and exit status out. SIGINT and SIGTERM end
// its context; a second one ends the process at once.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	p := &program{environ: environ, stdout: stdout, stderr: stderr}
	cmd := p.root() //nolint:contextcheck // cobra hands each command the context below
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "ovsnet: %v\n", err)
		return 1
	}
	return 0
}
