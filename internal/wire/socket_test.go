package wire

import (
	"bytes"
	"io"
	"net"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// joined returns two ends of a TCP connection.
func joined(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	other, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, l.Close())
	t.Cleanup(func() { _ = c.Close(); _ = other.Close() })
	return c.(*net.TCPConn), other.(*net.TCPConn)
}

func asSocket(t *testing.T, c net.Conn) net.Conn {
	t.Helper()
	s, err := newSocket(c)
	require.NoError(t, err)
	return s
}

var ports = regexp.MustCompile(`127\.0\.0\.1:\d+`)

func TestASocketDoesWhatPackageNetDoes(t *testing.T) {
	t.Parallel()
	much := make([]byte, 16<<20) // more than the kernel takes
	for name, does := range map[string]func(near net.Conn, far *net.TCPConn) (int, error){
		"reads what is there": func(near net.Conn, far *net.TCPConn) (int, error) {
			_, _ = far.Write([]byte("text"))
			return near.Read(make([]byte, 100))
		},
		"reads nothing into nothing": func(near net.Conn, far *net.TCPConn) (int, error) {
			_, _ = far.Write([]byte("text"))
			return near.Read(nil)
		},
		"waits for what it reads": func(near net.Conn, far *net.TCPConn) (int, error) {
			time.AfterFunc(20*time.Millisecond, func() { _, _ = far.Write([]byte("late")) })
			return near.Read(make([]byte, 100))
		},
		"reads to the end": func(near net.Conn, far *net.TCPConn) (int, error) {
			_ = far.Close()
			return near.Read(make([]byte, 100))
		},
		"reads of a connection that was reset": func(near net.Conn, far *net.TCPConn) (int, error) {
			_ = far.SetLinger(0)
			_ = far.Close()
			return near.Read(make([]byte, 100))
		},
		"reads no longer than it may": func(near net.Conn, _ *net.TCPConn) (int, error) {
			_ = near.SetDeadline(time.Now().Add(20 * time.Millisecond))
			return near.Read(make([]byte, 100))
		},
		"does not read when it is closed": func(near net.Conn, _ *net.TCPConn) (int, error) {
			_ = near.Close()
			return near.Read(make([]byte, 100))
		},
		"reads until it is closed": func(near net.Conn, _ *net.TCPConn) (int, error) {
			time.AfterFunc(20*time.Millisecond, func() { _ = near.Close() })
			return near.Read(make([]byte, 100))
		},
		"writes everything": func(near net.Conn, far *net.TCPConn) (int, error) {
			time.AfterFunc(20*time.Millisecond, func() { _, _ = io.Copy(io.Discard, far) })
			return near.Write(much)
		},
		"writes nothing": func(near net.Conn, _ *net.TCPConn) (int, error) { return near.Write(nil) },
		"does not write when it is closed": func(near net.Conn, _ *net.TCPConn) (int, error) {
			_ = near.Close()
			return near.Write([]byte("text"))
		},
		"writes no longer than it may": func(near net.Conn, _ *net.TCPConn) (int, error) {
			_ = near.SetDeadline(time.Now().Add(20 * time.Millisecond))
			n, err := near.Write(much)
			return min(n, 1), err // how much the kernel took differs
		},
		"writes to a connection that was reset": func(near net.Conn, far *net.TCPConn) (int, error) {
			_ = far.SetLinger(0)
			_ = far.Close()
			_, _ = near.Read(make([]byte, 1)) // which takes the reset along
			return near.Write([]byte("text"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := joined(t)
			want, wantErr := does(near, far)
			near, far = joined(t)
			got, err := does(asSocket(t, near), far)
			assert.Equal(t, want, got)
			if wantErr == nil {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			assert.Equal(t, ports.ReplaceAllString(wantErr.Error(), "A"), ports.ReplaceAllString(err.Error(), "A"))
			assert.Equal(t, os.IsTimeout(wantErr), os.IsTimeout(err))
		})
	}
}

func TestWhatASocketWritesArrives(t *testing.T) {
	t.Parallel()
	near, far := joined(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	go func() {
		_, _ = asSocket(t, near).Write(sent)
		_ = near.Close()
	}()
	got, err := io.ReadAll(asSocket(t, far))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(sent, got))
}

func TestASocketIsSilentWhileThereIsNothingToRead(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]func(far *net.TCPConn){
		"a word": func(far *net.TCPConn) { _, _ = far.Write([]byte("x")) },
		"an end": func(far *net.TCPConn) { _ = far.Close() },
	} {
		near, far := joined(t)
		s, err := newSocket(near)
		require.NoError(t, err)
		assert.True(t, s.silent(), name)
		says(far)
		assert.Eventually(t, func() bool { return !s.silent() }, 5*time.Second, time.Millisecond, name)
	}
}
