variable "name" {
  description = "Name of the API."
  type        = string
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
}

variable "functions" {
  description = "Functions by their short name."
  type = map(object({
    name       = string
    alias_name = string
    invoke_arn = string
  }))
}

variable "authorization" {
  description = "`iam`, `jwt`, or `keys`, which the functions check."
  type        = string
}

variable "jwt" {
  description = "Issuer and audience of accepted tokens."
  type = object({
    issuer   = string
    audience = list(string)
  })
}

variable "rate_per_s" {
  description = "Requests per second of a route; above it 429."
  type        = number
}

variable "burst" {
  description = "Concurrent requests of a route; above it 429."
  type        = number
}

variable "log_retention_days" {
  description = "Retention of the access log, in days."
  type        = number
}

variable "kms_key_arn" {
  description = "Key of the access log; null for a key that AWS owns."
  type        = string
}
