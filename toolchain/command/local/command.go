// Package local runs commands on the machine that runs Pulumi.
package local

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"pgpool-lab/toolchain/command/common"
)

// Command is the resource `command:local:Command`.
type Command struct{}

// Inputs of a local command.
type Inputs struct {
	common.Actions
	Options
}

// State is what the engine keeps of a local command.
type State struct {
	Inputs
	common.Outputs
}

// Create runs `create`.
func (*Command) Create(
	ctx context.Context, request infer.CreateRequest[Inputs],
) (infer.CreateResponse[State], error) {
	state := State{Inputs: request.Inputs}
	id, err := resource.NewUniqueHex(request.Name, 8, 0)
	if err == nil && !request.DryRun {
		err = state.run(ctx, request.Inputs.Create)
	}
	return infer.CreateResponse[State]{ID: id, Output: state}, err
}

// Update runs `update`, or else `create` again.
func (*Command) Update(
	ctx context.Context, request infer.UpdateRequest[Inputs, State],
) (infer.UpdateResponse[State], error) {
	state := State{Inputs: request.Inputs, Outputs: request.State.Outputs}
	var err error
	if !request.DryRun {
		err = state.run(ctx, request.Inputs.OnUpdate())
	}
	return infer.UpdateResponse[State]{Output: state}, err
}

// Delete runs `delete`.
func (*Command) Delete(ctx context.Context, request infer.DeleteRequest[State]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, request.State.run(ctx, request.State.Delete)
}

// run runs a text, where there is one, and takes its outputs into the state.
func (state *State) run(ctx context.Context, text *string) error {
	if text == nil {
		return nil
	}
	outputs, err := state.Options.run(ctx, *text, state.Outputs)
	if err == nil {
		state.Outputs = outputs
	}
	return err
}
