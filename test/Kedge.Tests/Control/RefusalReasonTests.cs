using System.Text.Json;
using Kedge.Protocol.Api;

namespace Kedge.Tests.Control;

/// <summary>Reasons of refusals on the wire.</summary>
public sealed class RefusalReasonTests
{
    [Fact]
    public void A_reason_is_its_name_and_one_of_a_later_version_is_none()
    {
        string json = JsonSerializer.Serialize(new Problem { Status = 403, Reason = RefusalReason.NodeRemoved }, ApiJson.Default.Problem);
        Assert.Contains("\"reason\":\"node-removed\"", json, StringComparison.Ordinal);
        Assert.Equal(RefusalReason.NodeRemoved, Read(json)!.Value);

        Assert.Equal(RefusalReason.None, Read("""{"reason":"of-a-later-version"}""")!.Value);
        Assert.Null(Read("{}"));
        Assert.All(Enum.GetValues<RefusalReason>(), reason => Assert.Equal(reason, RefusalReasons.Parse(reason.Text())));
    }

    private static RefusalReason? Read(string json) => JsonSerializer.Deserialize(json, ApiJson.Default.Problem)!.Reason;
}
