"""Results, as other people's tools take them: TensorBoard, MLflow, CSV and Parquet."""
