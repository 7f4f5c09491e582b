// Package common holds what local and remote commands share.
package common

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	provider "github.com/pulumi/pulumi-go-provider"
)

// Names of the variables that hand a command its previous output.
const (
	StdoutVariable = "PULUMI_COMMAND_STDOUT"
	StderrVariable = "PULUMI_COMMAND_STDERR"
)

// Inputs are the inputs that both kinds of command have.
type Inputs struct {
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Triggers               []any             `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
	Logging                *string           `pulumi:"logging,optional"`
}

// Outputs are what a command printed, without the last newline.
type Outputs struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// OnUpdate is what an update runs: `update`, or else `create` again.
func (inputs Inputs) OnUpdate() *string {
	if inputs.Update != nil {
		return inputs.Update
	}
	return inputs.Create
}

// Variables are the command's environment; `previous` is nil on create.
func (inputs Inputs) Variables(previous *Outputs) map[string]string {
	variables := map[string]string{}
	if previous != nil && (inputs.AddPreviousOutputInEnv == nil || *inputs.AddPreviousOutputInEnv) {
		variables[StdoutVariable] = previous.Stdout
		variables[StderrVariable] = previous.Stderr
	}
	for name, value := range inputs.Environment {
		variables[name] = value
	}
	return variables
}

// Logs says whether a stream ("stdout" or "stderr") is shown to the user while the command runs.
func (inputs Inputs) Logs(stream string) bool {
	return inputs.Logging == nil || *inputs.Logging == "stdoutAndStderr" || *inputs.Logging == stream
}

// Capture collects what a command writes, and logs it line by line where the user wants that.
type Capture struct {
	text   strings.Builder
	writer io.Writer
	pipe   *io.PipeWriter
	done   sync.WaitGroup
}

// NewCapture starts collecting one stream.
func NewCapture(ctx context.Context, logs bool) *Capture {
	capture := &Capture{}
	capture.writer = &capture.text
	if logs {
		reader, writer := io.Pipe()
		capture.pipe = writer
		capture.writer = io.MultiWriter(&capture.text, writer)
		capture.done.Add(1)
		go func() {
			defer capture.done.Done()
			lines := bufio.NewScanner(reader)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				provider.GetLogger(ctx).Info(lines.Text())
			}
			// What is left (a line that is too long) must not block the command.
			_, _ = io.Copy(io.Discard, reader)
		}()
	}
	return capture
}

// Write implements io.Writer.
func (capture *Capture) Write(data []byte) (int, error) { return capture.writer.Write(data) }

// Close ends the capture and returns the text without its last newline.
func (capture *Capture) Close() string {
	if capture.pipe != nil {
		_ = capture.pipe.Close()
		capture.done.Wait()
	}
	return strings.TrimSuffix(capture.text.String(), "\n")
}

// Failed describes a command that ended badly, with what it said.
func Failed(cause error, outputs Outputs) error {
	said := strings.TrimSpace(outputs.Stdout + "\n" + outputs.Stderr)
	return fmt.Errorf("%w:\n%s", cause, said)
}
