// SPDX-License-Identifier: Apache-2.0

package config

// longestCompared bounds the work on a key that somebody made very long; no known key comes near it.
const longestCompared = 128

// nearest gives the known key with the smallest edit distance to key, the first of them on a draw, or "" when
// there are none.
func nearest(key string, known []string) string {
	if len(key) > longestCompared {
		key = key[:longestCompared]
	}
	best, at := "", -1
	for _, k := range known {
		if d := distance(key, k); at < 0 || d < at {
			best, at = k, d
		}
	}
	return best
}

// distance is the optimal string alignment distance: the number of bytes inserted, removed, replaced, or
// swapped with their neighbour, that turns a into b.
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
