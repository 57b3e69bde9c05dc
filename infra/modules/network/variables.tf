variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
}

variable "cidr" {
  description = "Addresses of a new network."
  type        = string
}

variable "n_zones" {
  description = "Number of availability zones."
  type        = number
}

variable "existing" {
  description = "An existing network; null for a new one."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
  })
}

variable "external_cache_port" {
  description = "Port of an external cache in the network; null for the cache of this deployment."
  type        = number
  default     = null
}

variable "table_arn" {
  description = "The only table that the endpoint allows; null for no endpoint."
  type        = string
}

variable "services" {
  description = "Services that the functions call through interface endpoints of a new network, such as `sns`."
  type        = list(string)
  default     = []
}

variable "has_table" {
  description = "True if there is a table; known at plan time, unlike its ARN."
  type        = bool
}
