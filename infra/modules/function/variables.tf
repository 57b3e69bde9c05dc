variable "name" {
  description = "Name of the function."
  type        = string
}

variable "tags" {
  description = "Tags of all that can have some."
  type        = map(string)
}

variable "description" {
  description = "What it does, for the console."
  type        = string
}

variable "package" {
  description = "Path of the zip that `cargo lambda build` made."
  type        = string
}

variable "architecture" {
  description = "`x86_64` or `arm64`, as the package was built."
  type        = string
}

variable "memory_mb" {
  description = "Memory, and with it the share of a CPU."
  type        = number
}

variable "timeout_s" {
  description = "Longest time of an invocation."
  type        = number
}

variable "reserved_concurrency" {
  description = "Most invocations at once, taken from the account's; -1 for no bound of its own."
  type        = number
}

variable "environment" {
  description = "Environment variables."
  type        = map(string)
}

variable "statements" {
  description = "What it may do beyond writing its log, as statements of a policy."
  type = list(object({
    Sid      = string
    Action   = list(string)
    Resource = list(string)
  }))
}

variable "vpc" {
  description = "Subnets and security groups to run in; null for outside of any network."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
}

variable "kms_key_arn" {
  description = "Key for log, variables and dead letters; null for keys that AWS owns."
  type        = string
}

variable "log_retention_days" {
  description = "How long log lines are kept."
  type        = number
}

variable "is_traced" {
  description = "Whether invocations are traced with X-Ray."
  type        = bool
}

variable "has_dead_letters" {
  description = "Whether asynchronous invocations that failed for good are kept; known before the ARN of their queue is."
  type        = bool
  default     = false
}

variable "dead_letter_queue_arn" {
  description = "Where they are kept."
  type        = string
  default     = null
}

variable "release" {
  description = "Which version the alias `live` leads to."
  type = object({
    version            = optional(string)
    new_version_weight = optional(number, 0)
  })
}
