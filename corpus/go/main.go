// Command compress writes its standard input to its standard output, compressed the way that its only argument
// names: as container tools written in Go do it, with what each of them links and in its default settings.
package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

const pieceBytes = 1 << 20

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "compress:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("expected go-gzip, pgzip or zstd, found %q", arguments)
	}
	output := bufio.NewWriterSize(os.Stdout, pieceBytes)
	compressed, err := open(arguments[0], output)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(onlyWriter{compressed}, os.Stdin, make([]byte, pieceBytes)); err != nil {
		return err
	}
	if err := compressed.Close(); err != nil {
		return err
	}
	return output.Flush()
}

func open(way string, output io.Writer) (io.WriteCloser, error) {
	switch way {
	case "go-gzip":
		return gzip.NewWriter(output), nil
	case "pgzip":
		return pgzip.NewWriter(output), nil
	case "zstd":
		// One encoder each: layers are packed side by side already.
		return zstd.NewWriter(output, zstd.WithEncoderConcurrency(1))
	default:
		return nil, fmt.Errorf("expected go-gzip, pgzip or zstd, found %q", way)
	}
}

// onlyWriter hides ReadFrom, so that the compressors see pieces of one size whatever the pipe gives.
type onlyWriter struct{ io.Writer }
