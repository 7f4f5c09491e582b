// Package common holds what local and remote commands share.
package common

import (
	"context"
	"fmt"
	"io"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Names of the variables that hand a command what the run before it printed.
const (
	StdoutVariable = "PULUMI_COMMAND_STDOUT"
	StderrVariable = "PULUMI_COMMAND_STDERR"
)

// Actions are the texts of a command resource, and the values whose change replaces it.
type Actions struct {
	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`
	Delete   *string `pulumi:"delete,optional"`
	Triggers *[]any  `pulumi:"triggers,optional" provider:"replaceOnChanges"`
}

// OnUpdate is what an update runs: `update`, or else `create` again.
func (actions Actions) OnUpdate() *string {
	if actions.Update != nil {
		return actions.Update
	}
	return actions.Create
}

// Options say how a command is run.
type Options struct {
	Stdin                  *string           `pulumi:"stdin,optional"`
	Environment            map[string]string `pulumi:"environment,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
	Logging                *Logging          `pulumi:"logging,optional"`
}

// PreviousOutput is the part of the environment that tells a command what the run before it printed.
func (options Options) PreviousOutput(outputs Outputs) map[string]string {
	variables := map[string]string{}
	if options.AddPreviousOutputInEnv != nil && !*options.AddPreviousOutputInEnv {
		return variables
	}
	if outputs.Stdout != "" {
		variables[StdoutVariable] = outputs.Stdout
	}
	if outputs.Stderr != "" {
		variables[StderrVariable] = outputs.Stderr
	}
	return variables
}

// Outputs are what a command printed, without the last newline.
type Outputs struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Logging names the streams that are shown to the user while a command runs; unset means both.
type Logging string

// The values of Logging.
const (
	LogStdout Logging = "stdout"
	LogStderr Logging = "stderr"
	LogBoth   Logging = "stdoutAndStderr"
	LogNone   Logging = "none"
)

// Values lists them for the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	values := []infer.EnumValue[Logging]{}
	for _, value := range []Logging{LogStdout, LogStderr, LogBoth, LogNone} {
		values = append(values, infer.EnumValue[Logging]{Name: string(value), Value: value})
	}
	return values
}

func (logging *Logging) shows(stream Logging) bool {
	return logging == nil || *logging == LogBoth || *logging == stream
}

// Execute is a way to run a text with its two streams connected; it returns when the command has ended.
type Execute func(stdout, stderr io.Writer) error

// Run executes a command, shows the streams that the user wants to see, and returns what it printed.
// A failed command's error holds everything it printed, in the order in which it came.
func Run(ctx context.Context, logging *Logging, execute Execute) (Outputs, error) {
	capture := &capture{show: provider.GetLogger(ctx).InfoStatus}
	stdout := &stream{capture: capture, shown: logging.shows(LogStdout)}
	stderr := &stream{capture: capture, shown: logging.shows(LogStderr)}
	err := execute(stdout, stderr)
	outputs := Outputs{Stdout: stdout.end(), Stderr: stderr.end()}
	if ctx.Err() != nil {
		return outputs, fmt.Errorf("the command was ended: %w", ctx.Err())
	}
	if err != nil {
		return outputs, fmt.Errorf("%w; its output:\n%s", err, capture.everything())
	}
	return outputs, nil
}
