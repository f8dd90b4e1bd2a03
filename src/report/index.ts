export type {
  EmbeddingMap,
  FalseNegatives,
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
  SuspectPair,
  ViewedItem,
} from './data.js';
export { renderReport, writeReport } from './report.js';
export { renderStudy, studySvg, writeStudyReport } from './study.js';
export type { StudyReportData, StudyReportRow, StudyReportTable } from './study-data.js';
