using Kedge.Commands.Service;
using Kedge.Node.Supervision;
using Kedge.Protocol;

namespace Kedge.Tests.Commands.Service;

/// <summary>What is written for systemd, and read from it.</summary>
public class ServiceTextTests
{
    [Fact]
    public void Settings_are_added_and_replaced_one_by_one() => Assert.Equal(
        "KEDGE_NAME=alpha\nKEDGE_MTU=1380\nKEDGE_ZONE=office\n",
        EnvironmentText.Merge("KEDGE_NAME=alpha\nKEDGE_MTU=1420\n", [("KEDGE_MTU", "1380"), ("KEDGE_ZONE", "office")]));

    [Theory] // systemd.exec(5), EnvironmentFile=
    [InlineData("a,b:[::]/64", "a,b:[::]/64")]
    [InlineData("two words", "\"two words\"")]
    [InlineData("", "\"\"")]
    [InlineData("a\"b\\c$d`e", "\"a\\\"b\\\\c\\$d\\`e\"")]
    [InlineData("#no comment", "\"#no comment\"")]
    public void A_value_is_quoted_where_it_has_to_be(string value, string expected) =>
        Assert.Equal($"KEDGE_NAME={expected}\n", EnvironmentText.Merge("", [("KEDGE_NAME", value)]));

    [Fact]
    public void A_value_of_two_lines_is_refused() =>
        Assert.Throws<UserError>(() => EnvironmentText.Merge("", [("KEDGE_NAME", "a\nKEDGE_JOIN=b")]));

    [Fact]
    public void A_unit_runs_the_program_where_it_is()
    {
        foreach (string unit in (string[])["kedge-controller.service", "kedge-node@.service", "kedge-link@.service"])
        {
            string text = ServiceRoot.UnitText(unit, "/opt/kedge/kedge");

            Assert.DoesNotContain("/usr/bin/kedge", text, StringComparison.Ordinal);
            Assert.Contains("\nExecStart=/opt/kedge/kedge ", text, StringComparison.Ordinal);
            string packaged = ServiceRoot.UnitText(unit, "/usr/bin/kedge");
            Assert.Equal(packaged, text.Replace("/opt/kedge/kedge", "/usr/bin/kedge", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("/usr/local/bin/kedge", true)]
    [InlineData("/opt/kedge-0.1.0/kedge", true)]
    [InlineData("/root/kedge", false)]
    [InlineData("/home/user/kedge", false)]
    [InlineData("/tmp/kedge", false)]
    [InlineData("/opt/my kedge/kedge", false)]
    [InlineData("/opt/100%/kedge", false)]
    public void A_program_that_the_units_cannot_run_is_refused(string program, bool suitable) =>
        Assert.Equal(suitable, ServiceRoot.Unsuitable(program) is null);

    [Fact]
    public void The_state_of_a_unit_is_read_from_systemctl_show()
    {
        // systemd 252: systemctl show --timestamp=utc
        UnitState state = UnitState.Parse(
            "kedge-node@kedge0.service",
            "NRestarts=2\nActiveEnterTimestamp=Mon 2026-11-30 11:52:48 UTC\nLoadState=loaded\nActiveState=active\nSubState=running\n"
            + "StatusText=kedge0 is up\nUnitFileState=enabled\n");

        Assert.Equal(
            new UnitState(
                "kedge-node@kedge0.service", "loaded", "enabled", "active", "running", "kedge0 is up",
                new DateTimeOffset(2026, 11, 30, 11, 52, 48, default), Restarts: 2, HasJob: false),
            state);
        Assert.True(state is { IsActive: true, IsEnabled: true });
    }

    [Fact]
    public void A_unit_that_is_about_to_be_restarted_is_not_yet_active()
    {
        UnitState state = UnitState.Parse("x.service", "LoadState=loaded\nActiveState=active\nSubState=running\nJob=1723\n");

        Assert.True(state is { IsActive: false, HasJob: true });
    }

    [Fact]
    public void A_unit_that_does_not_exist_is_neither_active_nor_enabled()
    {
        UnitState state = UnitState.Parse(
            "x.service", "NRestarts=0\nActiveEnterTimestamp=\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n");

        Assert.Equal((false, false, null), (state.IsActive, state.IsEnabled, state.ActiveSince));
    }

    [Theory]
    [InlineData("kedge-node@kedge0.service", "kedge0")]
    [InlineData("kedge-link@wg.office.service", "wg.office")]
    public void The_interface_is_read_from_a_units_name(string unit, string expected) =>
        Assert.Equal(expected, ServiceRoot.InstanceOf(unit));
}
