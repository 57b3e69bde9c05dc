# The smallest deployment: two functions with function URLs for callers with IAM, Valkey Serverless with limits, and the
# history. The README of `infra` estimates its cost.

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

module "tidemark" {
  source = "../.."

  packages_folder = var.packages_folder
  # One gigabyte stores about 50,000 series; AWS charges only for the used part.
  cache = { data_gb_max = 1, ecpu_per_s_max = 1000, snapshot_days = 0 }
  # Alarms stay enabled without recipients: the console shows their state.
  tracing = false
}

output "urls" {
  description = "Base URL of each function; sign requests for the service `lambda`."
  value       = module.tidemark.urls
}
