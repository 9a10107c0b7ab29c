// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ovsnet/ovsnet/config"
)

// program is what the commands share.
type program struct {
	environ        []string
	stdout, stderr io.Writer
}

// root builds the tree of commands.
func (p *program) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ovsnet",
		Short: "Open vSwitch as a Docker network driver",
		Long: `Open vSwitch as a Docker network driver: every Docker network is a bridge that ovs-vsctl and ovs-ofctl
show as it is. "ovsnet serve" is the driver; the other commands look at it.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	cmd.SetOut(p.stdout)
	cmd.SetErr(p.stderr)
	cmd.AddCommand(p.serveCommand(), p.statusCommand(), p.flowsCommand(), p.doctorCommand(), p.optionsCommand(), p.versionCommand())
	return cmd
}

// settings adds the daemon's flags to a command and returns what loads the settings by them. Commands that need a few
// of the settings name those; the others are taken too, but not shown in the help.
func (p *program) settings(cmd *cobra.Command, shown ...string) func() (config.Daemon, error) {
	var file string
	fs := pflag.NewFlagSet("settings", pflag.ContinueOnError)
	config.Flags(fs)
	if len(shown) > 0 {
		show := map[string]bool{}
		for _, key := range shown {
			show[key] = true
		}
		for _, o := range config.DaemonOptions() {
			fs.Lookup(o.Flag()).Hidden = !show[o.Key]
		}
	}
	cmd.Flags().StringVar(&file, "config", "", "settings file (default "+config.DefaultFile+" if it exists, or $"+config.EnvFile+")")
	cmd.Flags().AddFlagSet(fs)
	return func() (config.Daemon, error) {
		return config.Load(config.Source{File: file, Environ: p.environ, Flags: fs})
	}
}
