variable "name" {
  description = "Name of the stream."
  type        = string
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "Key of the records; null for the key of the service."
  type        = string
}

variable "n_shards" {
  description = "Number of shards; 0 for on demand."
  type        = number
}

variable "retention_h" {
  description = "Retention of records, in hours."
  type        = number
}

variable "function_alias_arn" {
  description = "Function that reads the stream."
  type        = string
}

variable "batch_size" {
  description = "Largest number of records in a batch."
  type        = number
}

variable "record_age_max_s" {
  description = "Age in seconds after which a record is not retried."
  type        = number
}

variable "attempts_max" {
  description = "Retries before a record becomes a dead letter."
  type        = number
}
