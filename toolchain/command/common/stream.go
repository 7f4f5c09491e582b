package common

import (
	"bytes"
	"strings"
	"sync"
)

// capture collects both streams of one command in the order in which they come.
type capture struct {
	show func(line string)
	lock sync.Mutex
	both bytes.Buffer
}

func (capture *capture) everything() string {
	capture.lock.Lock()
	defer capture.lock.Unlock()
	return strings.TrimSpace(capture.both.String())
}

// stream is one of the two, shown line by line where the user wants that.
type stream struct {
	capture *capture
	shown   bool
	text    bytes.Buffer
	line    []byte
}

// Write implements io.Writer.
func (stream *stream) Write(data []byte) (int, error) {
	stream.capture.lock.Lock()
	defer stream.capture.lock.Unlock()
	stream.capture.both.Write(data)
	stream.text.Write(data)
	if stream.shown {
		stream.line = append(stream.line, data...)
		for {
			line, rest, found := bytes.Cut(stream.line, []byte("\n"))
			if !found {
				break
			}
			stream.capture.show(string(line))
			stream.line = rest
		}
	}
	return len(data), nil
}

// end shows what came after the last newline and returns the whole text without its last newline.
func (stream *stream) end() string {
	stream.capture.lock.Lock()
	defer stream.capture.lock.Unlock()
	if len(stream.line) > 0 {
		stream.capture.show(string(stream.line))
		stream.line = nil
	}
	return strings.TrimSuffix(stream.text.String(), "\n")
}
