package live

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"convbatch/internal/screen"
)

// Whatever is written, drawn and resized, in whatever order: the lines stand
// once under everything that was written, and nothing of them is left.
func TestARegionLeavesNothingBehind(t *testing.T) {
	for _, folds := range []bool{true, false} {
		t.Run(fmt.Sprint("folds ", folds), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				width, height, drawn := 80, 50, 0
				on := screen.New(width, height, folds)
				r := New(on, func() (int, int) { return width, height }, func(width, height int) []string {
					lines := make([]string, min(drawn, height))
					for i := range lines {
						lines[i] = strings.Repeat("#", width)
					}
					return lines
				})
				var written []string
				for i := range rapid.IntRange(1, 30).Draw(t, "steps") {
					switch rapid.IntRange(0, 2).Draw(t, "step") {
					case 0:
						drawn = rapid.IntRange(0, 6).Draw(t, "lines")
					case 1: // at most six lines of 199 in the least width still fit the height
						width = rapid.IntRange(30, 200).Draw(t, "width")
						on.Resize(width, height)
					case 2:
						written = append(written, fmt.Sprintf("line %d", i))
						_, err := fmt.Fprintf(r, "line %d\n", i)
						require.NoError(t, err)
					}
					r.Draw()
					assert.Equal(t, append(written[:len(written):len(written)], bars(drawn, width)...), trimmed(on.Text()))
				}
				r.Close()
				assert.Equal(t, written, trimmed(on.Text()))
				assert.Empty(t, on.Unknown())
			})
		})
	}
}

func bars(n, width int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = strings.Repeat("#", room(width))
	}
	return lines
}

// trimmed is without the empty lines at the end.
func trimmed(lines []string) []string {
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if len(lines) == 0 {
		return nil
	}
	return lines
}

// More lines than fit are the view's to leave out: what it is told fits, so
// nothing scrolls however often it is drawn.
func TestARegionDoesNotScroll(t *testing.T) {
	on := screen.New(20, 5, true)
	r := New(on, func() (int, int) { return 20, 5 }, func(_, height int) []string { return slices.Repeat([]string{"#########"}, height) })
	for range 10 {
		r.Draw()
	}
	assert.Equal(t, []string{"#########", "#########", "#########", "#########"}, on.Text())
}

// A terminal that becomes narrower step by step folds nothing, whenever it is drawn.
func TestASmallStepFoldsNoLine(t *testing.T) {
	for width := 20; width < 200; width++ {
		on := screen.New(width, 5, true)
		r := New(on, func() (int, int) { return width, 5 }, func(width, _ int) []string {
			return []string{strings.Repeat("#", width), strings.Repeat("#", width)}
		})
		r.Draw()
		on.Resize(width-width/10, 5)
		assert.Equal(t, bars(2, width), on.Text())
	}
}

// A terminal that becomes narrower while a line is on its way does not fold it.
func TestALineThatIsTooWideIsCut(t *testing.T) {
	on := screen.New(10, 5, true)
	r := New(on, func() (int, int) { return 60, 5 }, func(width, _ int) []string { return bars(2, 2*width) })
	r.Draw()
	assert.Len(t, on.Text(), 2)
	r.Close()
	assert.Empty(t, trimmed(on.Text()))
}

func TestWhatHasNoEndYetWaits(t *testing.T) {
	on := screen.New(20, 5, true)
	r := New(on, func() (int, int) { return 20, 5 }, func(int, int) []string { return []string{"bar"} })
	for _, text := range []string{"a ", "line\nand", " more"} {
		_, err := r.Write([]byte(text))
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"a line", "bar"}, on.Text())
	r.Close()
	_, err := r.Write([]byte(" after\n"))
	require.NoError(t, err)
	assert.Equal(t, []string{"a line", "and more after"}, trimmed(on.Text()))
}

func TestManyMayWriteAtOnce(t *testing.T) {
	on := screen.New(40, 10, true)
	r := New(on, func() (int, int) { return 40, 10 }, func(int, int) []string { return []string{"bar", "bar"} })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				_, _ = r.Write([]byte("log\n"))
				r.Draw()
			}
		})
	}
	wg.Wait()
	r.Close()
	assert.Equal(t, strings.Repeat("log\n", 160), strings.Join(trimmed(on.Text()), "\n")+"\n")
}

type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("the terminal is gone") }

func TestATerminalThatIsGoneIsSaidToWhoWrites(t *testing.T) {
	r := New(gone{}, func() (int, int) { return 40, 10 }, func(int, int) []string { return nil })
	r.Draw()
	_, err := r.Write([]byte("log\n"))
	assert.ErrorContains(t, err, "gone")
	r.Close()
}
