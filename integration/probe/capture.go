// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// capture tells each frame that arrives at the interface, in hexadecimal.
func capture(iface string) error {
	fd, err := packetSocket(iface)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // at the end of the program
	// Room for what comes while this program is not let run; packet(7) bounds it to net.core.rmem_max without FORCE.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<24); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "listening")
	return tellFrames(fd, os.Stdout)
}
