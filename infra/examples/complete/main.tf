# All features: an API with throttling and an authorizer, queue, stream, events and schedule, a KMS key, a network without
# internet access, alarms by mail, a dashboard, traces, reserved concurrency, and a weighted release.

terraform {
  required_version = ">= 1.9.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80.0, < 6.0.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Environment = "production" }
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-west-1"
}

variable "packages_folder" {
  description = "Folder of the packages; null for the output of `make lambda-build`."
  type        = string
  default     = null
}

variable "jwt" {
  description = "Issuer and audience of accepted tokens; null for signed requests (IAM)."
  type        = object({ issuer = string, audience = list(string) })
  default     = null
}

variable "emails" {
  description = "Recipients of alarms."
  type        = list(string)
  default     = ["on-call@example.com"]
}

variable "cache" {
  description = "The module's variable `cache`; by default three shards with a replica each."
  type        = any
  default = {
    mode          = "replication_group"
    node_type     = "cache.t4g.small"
    n_shards      = 3
    n_replicas    = 1
    snapshot_days = 7
  }
}

variable "release" {
  description = "A weighted release, such as { ingest = { version = \"7\", new_version_weight = 0.1 } }."
  type        = map(object({ version = optional(string), new_version_weight = optional(number, 0) }))
  default     = {}
}

variable "protection" {
  description = "Refuses to delete the table."
  type        = bool
  default     = true
}

module "tidemark" {
  source = "../.."

  name            = "tidemark-prod"
  tags            = { Team = "platform" }
  packages_folder = var.packages_folder

  front = {
    kind          = "api"
    authorization = var.jwt == null ? "iam" : "jwt"
    jwt           = var.jwt
    rate_per_s    = 1000
    burst         = 2000
  }

  ingest        = { memory_mb = 512, reserved_concurrency = 50 }
  analyze       = { memory_mb = 512, reserved_concurrency = 20 }
  ingest_stream = { memory_mb = 512, reserved_concurrency = 20 }

  cache   = var.cache
  history = { days = 730, protection = var.protection }
  network = { n_zones = 3 }

  queue  = { batch_size = 200, batching_window_s = 2 }
  stream = { n_shards = 0, retention_h = 48 }
  events = { pattern = jsonencode({ source = ["load-test"], detail-type = ["sample"] }) }
  sweep  = "rate(1 minute)"

  release   = var.release
  kms       = { create = true }
  log       = { level = "info", retention_days = 90 }
  tracing   = true
  alarms    = { emails = var.emails }
  dashboard = true
}

output "urls" {
  description = "Base URL of each function."
  value       = module.tidemark.urls
}

output "queue_url" {
  description = "URL of the queue of samples."
  value       = module.tidemark.queue_url
}

output "stream_name" {
  description = "Stream of samples."
  value       = module.tidemark.stream_name
}

output "table_name" {
  description = "Table of the history."
  value       = module.tidemark.table_name
}

output "functions" {
  description = "Name, alias and newest version of each function."
  value       = module.tidemark.functions
}

output "alarms" {
  description = "Names of the alarms, and their topic."
  value       = module.tidemark.alarms
}
