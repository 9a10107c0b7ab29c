// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/ovsnet/ovsnet/config"
)

//go:generate go test . -run ^(TestPrintedPages|TestReadmeOptions)$ -update

func (p *program) optionsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "Print the options page: networks, containers, the daemon",
		Long:  "Print, in Markdown, every option of docker network create -o, of --driver-opt, and of the daemon.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(p.stdout, config.Page())
			return err
		},
	}
}
