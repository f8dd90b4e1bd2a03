export type {
  Hit,
  ModelFigures,
  NearMiss,
  NegativeSimilarities,
  Neighbours,
  ReportData,
  ReportPicture,
  ResultRow,
  ResultTable,
  SearchedQuery,
  StepValue,
  ViewedItem,
} from './data.js';
export { renderReport, writeReport } from './report.js';
