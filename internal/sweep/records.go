package sweep

// Names of records start with times, and sort as these do.
const (
	stampForm  = "20060102T150405.000000000Z"
	secondForm = "20060102T150405Z"
)

// emptyRecord is what a record has whose name says all.
const emptyRecord = "{\"format\":1}\n"
