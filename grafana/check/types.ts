// What a dashboard of ours may hold: the types of Grafana itself, of the version in package.json; `make dashboards-check`
// holds them to it (docs/decisions/0026). Members of an enum are written as their values, for JSON has no enums.
import type { AnnotationQuery, Dashboard, DataQuery, Panel, RowPanel } from '@grafana/schema';
import type * as barGauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeSeries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

type Written<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : { [K in keyof T]: Written<T[K]> };

// Of Grafana's Prometheus data source, which has no types in this package.
interface Question extends DataQuery {
  expr: string;
  format: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  legendFormat?: string;
  range?: boolean;
  refId: string;
}

// Grafana's own data source keeps these three beside the question.
interface Mark extends Omit<AnnotationQuery<Question>, 'snapshotData'> {
  textFormat?: string;
  titleFormat?: string;
}

interface Shown<Type extends string, Options, Custom> extends Omit<Panel, 'fieldConfig' | 'options' | 'targets' | 'type'> {
  fieldConfig: Omit<NonNullable<Panel['fieldConfig']>, 'defaults'> & {
    defaults: Omit<NonNullable<Panel['fieldConfig']>['defaults'], 'custom'> & { custom?: Custom };
  };
  options: Options;
  targets: Question[];
  type: Type;
}

type Known =
  | Shown<'bargauge', Partial<barGauge.Options>, never>
  | Shown<'stat', Partial<stat.Options>, never>
  | Shown<'table', Partial<table.Options>, Partial<table.FieldConfig>>
  | Shown<'timeseries', timeSeries.Options, timeSeries.FieldConfig>;

export type Checked = Written<
  Omit<Dashboard, 'annotations' | 'panels' | 'schemaVersion'> & {
    annotations: { list: Mark[] };
    panels: (Known | RowPanel)[];
    schemaVersion: 42;
  }
>;
