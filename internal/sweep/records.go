package sweep

// secondForm is how names of records have whole seconds.
const secondForm = "20060102T150405Z"

// emptyRecord is what a record has whose name says all.
const emptyRecord = "{\"format\":1}\n"
