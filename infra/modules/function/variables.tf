variable "name" {
  description = "Name of the function."
  type        = string
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
}

variable "description" {
  description = "Description in the console."
  type        = string
}

variable "package" {
  description = "Path of the zip from `cargo lambda build`."
  type        = string
}

variable "architecture" {
  description = "`x86_64` or `arm64`, as the package was built."
  type        = string
}

variable "memory_mb" {
  description = "Memory in MB, which also sets the share of a CPU."
  type        = number
}

variable "timeout_s" {
  description = "Timeout of an invocation, in seconds."
  type        = number
}

variable "reserved_concurrency" {
  description = "Concurrent invocations, reserved from the account's limit; -1 for no reservation."
  type        = number
}

variable "environment" {
  description = "Environment variables."
  type        = map(string)
}

variable "statements" {
  description = "Statements of the policy, in addition to those for its log, network and traces."
  type = list(object({
    Sid      = string
    Action   = list(string)
    Resource = list(string)
  }))
}

variable "vpc" {
  description = "Subnets and security groups of the function; null for no network."
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
  description = "Retention of the log, in days."
  type        = number
}

variable "is_traced" {
  description = "Traces invocations with X-Ray."
  type        = bool
}

variable "has_dead_letters" {
  description = "True if failed asynchronous invocations go to a queue; known at plan time, unlike its ARN."
  type        = bool
  default     = false
}

variable "dead_letter_queue_arn" {
  description = "Queue of failed asynchronous invocations."
  type        = string
  default     = null
}

variable "release" {
  description = "Version of the alias `live`, and the share of calls for the newest."
  type = object({
    version            = optional(string)
    new_version_weight = optional(number, 0)
  })
}
