// Package journal stores what one run leaves for the next one to act on. A run writes, in this order:
//
//   - plans: the whole record of each medium, before its ID is sent; and the text of the policy
//   - intents: the plans that a run began to delete, and has not finished
//   - outcomes: what became of each medium of a plan
//   - tombstones: the media that MPS may show although they are deleted, unverified or restored.
//
// Each has one file that writes and reads it, or several whose names begin alike. No damaged record lets a
// medium go. The media of a damaged intent are left to the next sweep. Of a plan that is damaged, or whose outcomes
// are, nothing more is deleted. While tombstones cannot be read, no run deletes.
package journal

// secondForm is the format of times in names of records, in whole seconds.
const secondForm = "20060102T150405Z"
