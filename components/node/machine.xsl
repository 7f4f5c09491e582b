<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/devices/console">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
      <log append="on">
        <xsl:attribute name="file">/var/log/libvirt/qemu/<xsl:value-of select="/domain/name"/>-console.log</xsl:attribute>
      </log>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/devices/disk[contains(source/@volume, '-cloud-init.iso')]">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
      <readonly/>
    </xsl:copy>
  </xsl:template>
  <xsl:template match="/domain/devices/disk[contains(source/@volume, '-cloud-init.iso')]/driver/@type">
    <xsl:attribute name="type">raw</xsl:attribute>
  </xsl:template>
</xsl:stylesheet>
