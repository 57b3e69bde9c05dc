variable "name" {
  description = "Name of the API."
  type        = string
}

variable "tags" {
  description = "Tags of all that can have some."
  type        = map(string)
}

variable "functions" {
  description = "What is invoked, by the name of the function."
  type = map(object({
    name       = string
    alias_name = string
    invoke_arn = string
  }))
}

variable "authorization" {
  description = "`iam`, `jwt`, or `keys`, which the functions check themselves."
  type        = string
}

variable "jwt" {
  description = "Whose tokens are taken, and for which audience."
  type = object({
    issuer   = string
    audience = list(string)
  })
}

variable "rate_per_s" {
  description = "Requests a second of a route; past it 429."
  type        = number
}

variable "burst" {
  description = "Requests at once of a route."
  type        = number
}

variable "log_retention_days" {
  description = "How long access log lines are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key of the access log; null for a key that AWS owns."
  type        = string
}
