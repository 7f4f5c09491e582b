package remote

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"
)

// Connection says how to reach a machine, and perhaps through which other one.
type Connection struct {
	Endpoint
	Proxy *Proxy `pulumi:"proxy,optional"`
}

// Proxy is a machine on the way.
type Proxy struct{ Endpoint }

// Endpoint is an ssh server and the credentials for it.
type Endpoint struct {
	Host               string   `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional"           provider:"secret"`
	PrivateKey         *string  `pulumi:"privateKey,optional"         provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	HostKey            *string  `pulumi:"hostKey,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
}

const (
	defaultPort           = 22
	defaultUser           = "root"
	defaultDialErrorLimit = 10
	defaultPerDialTimeout = 15
	unlimited             = -1
)

// Annotate gives the properties their defaults.
func (endpoint *Endpoint) Annotate(annotator infer.Annotator) {
	annotator.SetDefault(&endpoint.Port, defaultPort)
	annotator.SetDefault(&endpoint.User, defaultUser)
	annotator.SetDefault(&endpoint.DialErrorLimit, defaultDialErrorLimit)
	annotator.SetDefault(&endpoint.PerDialTimeout, defaultPerDialTimeout)
}

// Pauses between two attempts, from the first one on.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	growth     = 1.5
)

// dial connects, with growing pauses between the attempts. Every failure is tried again, a wrong host key and a
// rejected login too: a machine that is just being set up may have neither its key nor its users yet.
func (connection Connection) dial(ctx context.Context) (*ssh.Client, error) {
	attempt := func() (*ssh.Client, error) { return connection.connect(ctx, nil) }
	if connection.Proxy != nil {
		through, err := Connection{Endpoint: connection.Proxy.Endpoint}.dial(ctx)
		if err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		attempt = func() (*ssh.Client, error) { return connection.connect(ctx, through) }
	}
	limit := value(connection.DialErrorLimit, defaultDialErrorLimit)
	pause := firstPause
	for failures := 1; ; failures++ {
		client, err := attempt()
		if err == nil {
			return client, nil
		}
		if limit > unlimited && failures > limit {
			return nil, fmt.Errorf("after %d failed attempts: %w", failures-1, err)
		}
		provider.GetLogger(ctx).InfoStatusf("cannot reach %s yet (attempt %d): %v", connection.Host, failures, err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(time.Duration(float64(pause)*growth), lastPause)
	}
}

// connect makes one attempt, directly or through another machine.
func (endpoint Endpoint) connect(ctx context.Context, through *ssh.Client) (*ssh.Client, error) {
	config, closeAgent, err := endpoint.clientConfig()
	if err != nil {
		return nil, err
	}
	defer closeAgent()
	timeout := time.Duration(value(endpoint.PerDialTimeout, defaultPerDialTimeout)) * time.Second
	if timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		ctx = limited
	}
	address := net.JoinHostPort(endpoint.Host, strconv.Itoa(int(value(endpoint.Port, defaultPort))))
	dialer := (&net.Dialer{}).DialContext
	if through != nil {
		dialer = through.DialContext
	}
	connection, err := dialer(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// A machine that takes the connection and then says nothing must not hold up the attempt for ever.
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	defer stop()
	client, channels, requests, err := ssh.NewClientConn(connection, address, config)
	if err != nil {
		_ = connection.Close()
		return nil, err
	}
	return ssh.NewClient(client, channels, requests), nil
}

func value[T any](pointer *T, otherwise T) T {
	if pointer == nil {
		return otherwise
	}
	return *pointer
}
