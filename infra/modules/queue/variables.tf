variable "name" {
  description = "Name of the queue."
  type        = string
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "Key of the messages; null for the key of the service."
  type        = string
}

variable "attempts_max" {
  description = "Attempts before a message becomes a dead letter."
  type        = number
}

variable "function_alias_arn" {
  description = "Function that reads the queue."
  type        = string
}

# Not read from the function, which depends on the queue.
variable "function_timeout_s" {
  description = "Timeout of that function, in seconds."
  type        = number
}

variable "batch_size" {
  description = "Largest number of messages in a batch."
  type        = number
}

variable "batching_window_s" {
  description = "Longest wait for a full batch, in seconds."
  type        = number
}

variable "concurrency_max" {
  description = "Largest number of concurrent invocations for this queue."
  type        = number
}
