# The DynamoDB table of the history: episodes, and the configuration backup.

resource "aws_dynamodb_table" "this" {
  # checkov:skip=CKV_AWS_119:Always encrypted with a key of the account, with the user's key if `kms` sets one
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.is_protected

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  # Counts from the time of receipt, so that episodes with old timestamps are stored for the full retention.
  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
  tags = var.tags
}
